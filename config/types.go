package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Name names a product, component, target, key, command or probe. It is safe as
// a path segment and as a word to type; empty is never valid.
type Name string

// Series is a release series such as 2025 or 38, safe as a path segment.
type Series string

// OS is an operating system and an architecture joined by a dash: el9-x86_64.
type OS string

// Arch is the architecture of an OS: x86_64 of el9-x86_64.
func (o OS) Arch() string {
	_, arch, _ := strings.Cut(string(o), "-")
	return arch
}

// Version is the version of a release, such as 9.7, 9.7-RC2 or 2025.4.1.
type Version string

// Format is the kind of a target.
type Format string

// Formats of targets.
const (
	FormatRPM Format = "rpm" // an RPM repository
	FormatDEB Format = "deb" // a suite of an APT repository
	FormatOCI Format = "oci" // a multi-architecture image in a registry

	FormatTree Format = "tree" // a directory tree that mirrors rsync
)

// Arch is an architecture as the staging area names it: amd64, x86_64, arm64.
type Arch string

// Checksums says which checksums an S3 server is sent.
type Checksums string

// Checksums of S3 servers.
const (
	ChecksumsAlways   Checksums = "always"   // SHA-256 in the headers of every upload, which the server checks
	ChecksumsRequired Checksums = "required" // only where the protocol demands one: for servers that refuse or mishandle the headers; gantry then reads back what it wrote
)

// ForgeKind is what software a forge runs.
type ForgeKind string

// Kinds of forges.
const (
	GitHub  ForgeKind = "github"  // github.com and GitHub Enterprise
	Forgejo ForgeKind = "forgejo" // Forgejo and Gitea
)

// Policy says which packages a new snapshot takes over from production.
type Policy string

// Policies of targets.
const (
	Replace    Policy = "replace"    // the staged set is the whole repository
	Accumulate Policy = "accumulate" // staged packages join those in production
)

// Compression of repository metadata.
type Compression string

// Compressions of repository metadata.
const (
	Gzip Compression = "gz"
	Zstd Compression = "zstd"
)

// Signatures says which OpenPGP signatures a package gets.
type Signatures string

// Signatures of packages.
const (
	SignHeader Signatures = "header"
	SignBoth   Signatures = "both"
)

// Theme is a colour scheme of the console.
type Theme string

// Themes of the console.
const (
	Dark        Theme = "dark"
	Light       Theme = "light"
	ColourBlind Theme = "colour-blind"
)

// Duration is a time span written as Go writes it (90s, 24h) or in days (2d).
type Duration time.Duration

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	seriesForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	osForm      = regexp.MustCompile(`^[a-z][a-z0-9.]{0,30}-[a-z0-9_]{1,30}$`)
	archForm    = regexp.MustCompile(`^[a-z0-9_]{1,30}$`)
	versionForm = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~_-]{0,62}$`)
)

// ParseName checks a name as an operator or a file gives it.
func ParseName(s string) (Name, error) {
	if !nameForm.MatchString(s) {
		return "", Hint(fmt.Errorf("%s is not a name", quoted(s)), "use letters, digits, - and _, at most 63, starting with a letter or digit")
	}
	return Name(s), nil
}

// ParseVersion checks a version as an operator gives it.
func ParseVersion(s string) (Version, error) {
	if !versionForm.MatchString(s) || strings.Contains(s, "..") {
		return "", Hint(fmt.Errorf("%s is not a version", quoted(s)), "start with a digit, then letters, digits and . + ~ _ -, such as 2025.4.1")
	}
	return Version(s), nil
}

func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(Inert(s))
}

// UnmarshalText reads a name.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = ParseName(string(b))
	return err
}

// UnmarshalText reads a version.
func (v *Version) UnmarshalText(b []byte) (err error) {
	*v, err = ParseVersion(string(b))
	return err
}

// UnmarshalText reads a series.
func (s *Series) UnmarshalText(b []byte) error {
	if !seriesForm.Match(b) || strings.Contains(string(b), "..") {
		return Hint(fmt.Errorf("%s is not a series", quoted(string(b))), `write one such as "2025" or "38"`)
	}
	*s = Series(b)
	return nil
}

// UnmarshalText reads an operating system with its architecture.
func (o *OS) UnmarshalText(b []byte) error {
	if !osForm.Match(b) {
		return Hint(fmt.Errorf("%s is not an operating system with an architecture", quoted(string(b))), "write one such as el9-x86_64")
	}
	*o = OS(b)
	return nil
}

// UnmarshalText reads a format.
func (f *Format) UnmarshalText(b []byte) error {
	return choose(f, b, FormatRPM, FormatDEB, FormatOCI, FormatTree)
}

// UnmarshalText reads an architecture.
func (a *Arch) UnmarshalText(b []byte) error {
	if !archForm.Match(b) {
		return Hint(fmt.Errorf("%s is not an architecture", quoted(string(b))), "write one such as amd64 or x86_64")
	}
	*a = Arch(b)
	return nil
}

// UnmarshalText reads which checksums a server is sent.
func (c *Checksums) UnmarshalText(b []byte) error {
	return choose(c, b, ChecksumsAlways, ChecksumsRequired)
}

// UnmarshalText reads the kind of a forge.
func (k *ForgeKind) UnmarshalText(b []byte) error { return choose(k, b, GitHub, Forgejo) }

// UnmarshalText reads a policy.
func (p *Policy) UnmarshalText(b []byte) error { return choose(p, b, Replace, Accumulate) }

// UnmarshalText reads a compression.
func (c *Compression) UnmarshalText(b []byte) error { return choose(c, b, Gzip, Zstd) }

// UnmarshalText reads which signatures packages get.
func (s *Signatures) UnmarshalText(b []byte) error { return choose(s, b, SignHeader, SignBoth) }

// UnmarshalText reads a theme.
func (t *Theme) UnmarshalText(b []byte) error { return choose(t, b, Dark, Light, ColourBlind) }

func choose[T ~string](into *T, b []byte, all ...T) error {
	if slices.Contains(all, T(b)) {
		*into = T(b)
		return nil
	}
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = string(one)
	}
	return Hint(fmt.Errorf("%s is none of the choices", quoted(string(b))), "write "+strings.Join(words, " or "))
}

// UnmarshalText reads a duration, which must be longer than nothing.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	var span time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil {
			if n > 36500 {
				err = strconv.ErrRange
			}
			span = time.Duration(n) * 24 * time.Hour
		}
	} else {
		span, err = time.ParseDuration(s)
	}
	if err != nil || span <= 0 {
		return Hint(fmt.Errorf("%s is not a time span", quoted(s)), "write one such as 90s, 24h or 2d")
	}
	*d = Duration(span)
	return nil
}
