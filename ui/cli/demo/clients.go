package demo

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gantry/config"
)

// clients writes settings with which dnf and apt see the targets as their
// clients do.
func clients(o Options, home string, chosen []target) error {
	at := filepath.Join(o.Dir, "client")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("write the settings of clients: %w", err)
	}
	password, err := os.ReadFile(filepath.Join(o.Dir, subscriberKey))
	if err != nil {
		return fmt.Errorf("write the settings of clients: %w", err)
	}
	public, err := os.ReadFile(filepath.Join(o.Dir, "keys", "public.asc"))
	if err != nil {
		return fmt.Errorf("write the settings of clients: %w", err)
	}
	for _, t := range chosen {
		files := map[string]string{}
		switch t.format {
		case config.FormatRPM:
			files[t.name+".conf"] = t.dnfConf(o, home, at, strings.TrimSpace(string(password)))
		case config.FormatDEB:
			files[t.name+".conf"] = t.aptConf(at)
			files[t.name+".sources"] = t.aptSources(o, home, string(public))
			files[t.name+".auth"] = fmt.Sprintf("machine http://%s login %s password %s\n", home, subscriber, strings.TrimSpace(string(password)))
			files[filepath.Join("apt-"+t.name, "status")] = ""
			files[filepath.Join("apt-"+t.name, "lists", "partial", "empty")] = ""
			files[filepath.Join("apt-"+t.name, "archives", "partial", "empty")] = ""
		case config.FormatOCI:
			files["docker/config.json"] = dockerConf(home, strings.TrimSpace(string(password)))
		}
		for name, text := range files {
			to := filepath.Join(at, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return fmt.Errorf("write the settings of clients: %w", err)
			}
			if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
				return fmt.Errorf("write the settings of clients: %w", err)
			}
		}
	}
	return nil
}

func (t target) dnfConf(o Options, home, at, password string) string {
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
`, at, t.name, t.url(o, home), fileURL(filepath.Join(o.Dir, "keys", "public.asc")))
	if o.Bucket != nil {
		text += "username=" + subscriber + "\npassword=" + password + "\n"
	}
	return text
}

// aptConf is what APT_CONFIG names: apt reads and writes in the demo alone.
func (t target) aptConf(at string) string {
	own := at + "/apt-" + t.name
	return fmt.Sprintf(`Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "%[1]s/%[2]s.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Trusted "/dev/null";
Dir::Etc::TrustedParts "/dev/null";
Dir::Etc::Netrc "%[1]s/%[2]s.auth";
Dir::Etc::NetrcParts "/dev/null";
Dir::State "%[3]s";
Dir::State::Lists "%[3]s/lists";
Dir::State::Status "%[3]s/status";
Dir::Cache "%[3]s";
Dir::Cache::Archives "%[3]s/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
`, at, t.name, own)
}

// aptSources is the source of a suite, with the key in it: a path could hold
// blanks.
func (t target) aptSources(o Options, home, public string) string {
	var key strings.Builder
	for line := range strings.Lines(public) {
		if line = strings.TrimRight(line, "\n"); line == "" {
			line = "."
		}
		key.WriteString(" " + line + "\n")
	}
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: core\nSigned-By:\n%s", t.url(o, home), t.os, key.String())
}

// dockerConf is what docker login leaves behind, which all clients of registries
// read.
func dockerConf(home, password string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(subscriber + ":" + password))
	return fmt.Sprintf("{\"auths\":{%q:{\"auth\":%q}}}\n", home, auth)
}

// word is a path as a word of a POSIX shell.
func word(path string) string {
	if !strings.ContainsAny(path, " \t\n\"'$`\\*?[]{}()<>|&;!~#") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// try is a command line that sees a target as its clients do.
func (t target) try(dir, home, product string) string {
	switch t.format {
	case config.FormatRPM:
		return fmt.Sprintf("cd %s && dnf -q -c client/%s.conf --installroot=$PWD/client/root-%[2]s --releasever=9 --forcearch=%s --refresh list --available --showduplicates",
			word(dir), t.name, t.arch())
	case config.FormatDEB:
		return fmt.Sprintf("cd %s && export APT_CONFIG=$PWD/client/%s.conf && apt-get update && apt-cache policy %s", word(dir), t.name, debName(product, "minion"))
	}
	return fmt.Sprintf("cd %s && DOCKER_CONFIG=$PWD/client/docker cosign verify --key keys/cosign.pub --insecure-ignore-tlog --allow-insecure-registry %s/%s:2025 # while the demo is served",
		word(dir), home, imageName(product))
}
