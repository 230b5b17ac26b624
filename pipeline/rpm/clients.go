package rpm

import (
	"fmt"
	"net/url"
	"strings"

	"gantry/config"
)

// RepoFile is a file for /etc/yum.repos.d of clients.
type RepoFile struct {
	Name string // of the file, such as core-el9.repo
	Way  string // how it leads to the packages: mirrorlist or baseurl
	Text string
}

// RepoFiles writes the files that clients of a target are given, the one to
// recommend first. address is where clients reach the target's directory, key
// where they find the public key, both as URLs.
func RepoFiles(t *config.Target, address, key string) []RepoFile {
	address = strings.TrimRight(address, "/")
	file := func(way, name, about, line string) RepoFile {
		var b strings.Builder
		b.WriteString(about)
		fmt.Fprintf(&b, "[%s]\nname=%s\n%s\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=%s\nmetadata_expire=1h\n", t.Name, t.Name, line, key)
		if s := t.Subscriber; s != nil {
			b.WriteString(credentials)
			fmt.Fprintf(&b, "username=%s\npassword=<your key>\n", s.Username)
		}
		return RepoFile{Name: name, Way: way, Text: b.String()}
	}
	return []RepoFile{
		file("mirrorlist", string(t.Name)+".repo", mirrorlistNote, "mirrorlist="+address+"/production/mirrorlist"),
		file("baseurl", string(t.Name)+"-baseurl.repo", baseurlNote, "baseurl="+address+"/production/"),
	}
}

const (
	mirrorlistNote = `# The mirrorlist names one snapshot, which never changes: what a client reads is
# always of one piece, also while a release is published. Readable by root alone
# where it holds a key: chmod 600.
`
	baseurlNote = `# For clients that cannot use a mirrorlist. One that reads in the very moment in
# which a release is published may find a signature that does not match, and
# succeeds when it is run again. Readable by root alone where it holds a key:
# chmod 600.
`
	credentials = `# Never write them into the address: dnf sends those of an address to it alone,
# and so not to the snapshot that the mirrorlist names; and addresses are logged.
`
)

// Address is where clients reach the target's directory: its URL, or that of the
// directory itself where none is configured.
func Address(cfg *config.Release, t *config.Target) string {
	if t.URL != "" {
		return strings.TrimRight(t.URL, "/")
	}
	return (&url.URL{Scheme: "file", Path: cfg.Path(cfg.Served) + "/" + t.Path}).String()
}
