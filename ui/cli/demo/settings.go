package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// releaseYAML is the configuration of a demo.
func releaseYAML(dir, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# A demonstration release. Everything it needs lies beside this file, so it can
# be changed and thrown away freely. gantry lint checks it, gantry schema prints
# what may be written here.
product: %s

state: state       # the journal, runs, plans and logs
staging: staging   # what builds deliver: {component}/{series}/{format}/{os}/
served: served     # what clients read

keys:
  - name: release
    private: file:keys/private.asc   # a reference, never the key itself; env:NAME works too
    # passphrase: env:DEMO_PASSPHRASE  # of a locked key
    public: keys/public.asc          # what clients import

targets:
`, name)
	for _, t := range targets {
		why := "staged packages join those in production, three versions of each"
		if t.policy == "replace" {
			why = "what is staged is the whole repository"
		}
		fmt.Fprintf(&b, `  - name: %s
    format: rpm
    component: core
    series: "2025"
    os: %s
    key: release
    path: %s
    url: %s
    policy: %s   # %s
    compress: gz           # read by every client; zstd from EL9 on

`, t.name, t.os, t.served(), fileURL(filepath.Join(dir, "served", t.served())), t.policy, why)
	}
	return b.String()
}

// client writes settings with which dnf sees a target as its clients do.
func client(dir string, t platform) error {
	at := filepath.Join(dir, "client")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("write the settings for dnf: %w", err)
	}
	text := fmt.Sprintf(`[main]
reposdir=/dev/null
cachedir=%[1]s/cache-%[2]s
persistdir=%[1]s/persist-%[2]s
logdir=%[1]s

[%[2]s]
name=%[2]s
mirrorlist=%[3]s/production/mirrorlist
gpgcheck=1
repo_gpgcheck=1
gpgkey=%[4]s
`, at, t.name, fileURL(filepath.Join(dir, "served", t.served())), fileURL(filepath.Join(dir, "keys", "public.asc")))
	if err := os.WriteFile(filepath.Join(at, t.name+".conf"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the settings for dnf: %w", err)
	}
	return nil
}

// word is a path as a word of a POSIX shell.
func word(path string) string {
	if !strings.ContainsAny(path, " \t\n\"'$`\\*?[]{}()<>|&;!~#") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// dnf is a command line that sees a target as its clients do.
func dnf(dir string, t platform, rest string) string {
	return fmt.Sprintf("cd %s && dnf -q -c client/%s.conf --installroot=$PWD/client/root-%[2]s --releasever=9 --forcearch=%s --refresh %s",
		word(dir), t.name, t.arch, rest)
}
