package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Tree is a directory tree that mirrors rsync: what a target of format tree is.
// A sync makes one place like another: staging like the compose, production like
// staging.
type Tree struct {
	Major   int    `yaml:"major" jsonschema_description:"major version of the editions that it takes, such as 9; without it, any release"`
	Stream  Stream `yaml:"stream" jsonschema_description:"stable (default), beta or lookahead; only stable goes to production"`
	Suffix  string `yaml:"suffix" jsonschema_description:"of the directories of a beta or lookahead, such as -BETA"`
	Compose Area   `yaml:"compose" jsonschema:"required" jsonschema_description:"what staging is made like"`
	Staging Area   `yaml:"staging" jsonschema:"required"`

	Production Area `yaml:"production" jsonschema_description:"what clients and mirrors read; a beta or lookahead has none"`

	Owner   Owner    `yaml:"owner" jsonschema_description:"uid:gid that everything gets, such as 10004:10005 (default: as in the source)"`
	Exclude []string `yaml:"exclude" jsonschema_description:"what a sync leaves alone on both sides: a path, a directory with / at its end, or a name pattern"`
	Keep    bool     `yaml:"keep" jsonschema_description:"remove nothing that the source lacks"`
	Grace   Delay    `yaml:"grace" jsonschema_description:"from the new metadata to the first removal (default 1h, 0s removes at once)"`
	Alarm   int      `yaml:"alarm" jsonschema_description:"percent of the files: a sync that removes more must be acknowledged apart (default 10)"`
	Closed  Mode     `yaml:"closed" jsonschema_description:"mode of a new production directory until the bitflip, such as 0750"`
	Open    Mode     `yaml:"open" jsonschema_description:"its mode from then on (default 0755)"`
	Private bool     `yaml:"private" jsonschema_description:"files too lose their world bits until the bitflip"`

	Repos []string `yaml:"repos" jsonschema_description:"repositories that every edition has, such as BaseOS: one that is missing or empty must be acknowledged"`
	Arch  []Arch   `yaml:"architectures" jsonschema_description:"architectures that every edition has"`
}

// Area is a place of trees: a path below a root, which may have to be mounted.
type Area struct {
	Root  string `yaml:"root" jsonschema:"required" jsonschema_description:"directory, or store:NAME/PREFIX"`
	Mount bool   `yaml:"mount" jsonschema_description:"the root must be a mount point; what is not mounted is not written to"`
	Path  string `yaml:"path" jsonschema:"required" jsonschema_description:"below root; may hold {major} {minor} {revision} {suffix} {stream}"`
	Undo  string `yaml:"undo" jsonschema_description:"below root, outside of what mirrors read: what syncs replaced (default .gantry)"`
}

// Directory is where an edition of the tree lies in an area: a clean relative
// path below the area's root, never empty and never the root itself.
func (t *Tree) Directory(a Area, e Edition) (string, error) {
	p, err := Expand(a.Path, t.Placeholders(e))
	if err != nil {
		return "", err
	}
	if !cleanPath(p) {
		return "", fmt.Errorf("%s is no directory below %s", quoted(p), quoted(a.Root))
	}
	return p, nil
}

// Owner is a numeric user and group, uid:gid.
type Owner struct {
	Set      bool
	UID, GID int
}

// UnmarshalText reads uid:gid.
func (o *Owner) UnmarshalText(b []byte) error {
	u, g, ok := strings.Cut(string(b), ":")
	uid, err1 := strconv.ParseUint(u, 10, 31)
	gid, err2 := strconv.ParseUint(g, 10, 31)
	if !ok || err1 != nil || err2 != nil {
		return Hint(fmt.Errorf("%s is no owner", quoted(string(b))), "write numbers, such as 10004:10005")
	}
	*o = Owner{true, int(uid), int(gid)}
	return nil
}

// Mode is the permission bits of a directory or file, written in octal.
type Mode os.FileMode

// UnmarshalText reads an octal mode.
func (m *Mode) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 8, 32)
	if err != nil || n == 0 || n > 0o7777 {
		return Hint(fmt.Errorf("%s is no mode", quoted(string(b))), `write one such as "0750"`)
	}
	*m = Mode(n)
	return nil
}

// Delay is a time span that may be nothing.
type Delay time.Duration

// UnmarshalText reads a time span, or 0.
func (d *Delay) UnmarshalText(b []byte) error {
	if s := string(b); s == "0" || s == "0s" {
		*d = 0
		return nil
	}
	return (*Duration)(d).UnmarshalText(b)
}
