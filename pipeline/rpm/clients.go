package rpm

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// Clients are the files for clients of a target: the one for /etc/yum.repos.d to
// recommend first, one for clients that cannot use it, and the key. Clients find
// the key where distributions keep theirs or, of a repository on this machine,
// where it lies.
func Clients(cfg *config.Release, t *config.Target) ([]pipeline.ClientFile, error) {
	key, ok := cfg.Key(string(t.Key))
	if !ok {
		return nil, fmt.Errorf("no key %s in the configuration", t.Key)
	}
	public, err := os.ReadFile(cfg.Path(key.Public))
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	address, name := Address(cfg, t), "RPM-GPG-KEY-"+string(cfg.Product)
	at := "file:///etc/pki/rpm-gpg/" + name
	if strings.HasPrefix(address, "file:") {
		at = (&url.URL{Scheme: "file", Path: cfg.Path(key.Public)}).String()
	}
	return append(repoFiles(t, address, at), pipeline.ClientFile{Name: name, Text: string(public), Note: "in /etc/pki/rpm-gpg"}), nil
}

// repoFiles are the .repo files of a target. address is where clients reach its
// directory, key where they find the public key, both as URLs.
func repoFiles(t *config.Target, address, key string) []pipeline.ClientFile {
	file := func(way, name, about, line string) pipeline.ClientFile {
		var b strings.Builder
		b.WriteString(about)
		fmt.Fprintf(&b, "[%s]\nname=%s\n%s\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=%s\nmetadata_expire=1h\n", t.Name, t.Name, line, key)
		if s := t.Subscriber; s != nil {
			b.WriteString(credentials)
			fmt.Fprintf(&b, "username=%s\npassword=<your key>\n", s.Username)
		}
		return pipeline.ClientFile{Name: name, Text: b.String(), Note: "in /etc/yum.repos.d, by " + way}
	}
	return []pipeline.ClientFile{
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
