package cli_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	complaint   = regexp.MustCompile(`(?m)^[WE]: `)
	dateForm    = regexp.MustCompile(`(?m)^Date: (.+)$`)
	packageForm = regexp.MustCompile(`(?m)^Package: (.+)$`)
	versionForm = regexp.MustCompile(`(?m)^Version: (.+)$`)
)

// aptClient is a client of core-noble. It is as apt is by default, which development
// machines' own settings are not, but for one thing: what fails is not tried
// again.
func (d *servedDemo) aptClient(t *testing.T, kind string, forgets bool) *client {
	t.Helper()
	base := "http://" + d.address
	c := &client{kind: kind, tree: filepath.Join(d.dir, "served/deb/core/2025/suites/noble"), home: t.TempDir()}
	if forgets {
		c.forgets = []string{"lists", "lists/partial"}
	}
	key, err := os.ReadFile(filepath.Join(d.dir, "keys/public.asc"))
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, map[string]string{
		"status": "", "lists/partial/none": "", "archives/partial/none": "", "key.asc": string(key),
		"auth":         "machine " + base + " login subscriber password " + d.key + "\n",
		"sources.list": fmt.Sprintf("deb [signed-by=%s/key.asc arch=amd64] %s/deb/core/2025 noble core\n", c.home, base),
		"apt.conf": fmt.Sprintf(`Dir::Etc::Main "/dev/null"; Dir::Etc::Parts "/dev/null"; Dir::Etc::SourceList "%[1]s/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null"; Dir::Etc::Trusted "/dev/null"; Dir::Etc::TrustedParts "/dev/null";
Dir::Etc::Netrc "%[1]s/auth"; Dir::Etc::NetrcParts "/dev/null"; Dir::State "%[1]s"; Dir::State::Lists "%[1]s/lists"; Dir::State::Status "%[1]s/status";
Dir::Cache "%[1]s"; Dir::Cache::Archives "%[1]s/archives"; APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::GzipIndexes "false"; Acquire::Check-Date "true"; Acquire::Check-Valid-Until "true"; Acquire::Retries "0"; APT::Update::Error-Mode "any";`, c.home),
	})
	get := func(dir string, args ...string) error {
		out, err := c.run(t, dir, "apt-get", args...)
		if err == nil && complaint.MatchString(out) {
			err = fmt.Errorf("apt-get complains:\n%s", out)
		}
		return err
	}
	stanzas := func() (index []byte, all []string, err error) {
		index, err = only(filepath.Join(c.home, "lists/*_dists_noble_core_binary-amd64_Packages"))
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(index)), "\n\n") {
			name, version := packageForm.FindStringSubmatch(stanza), versionForm.FindStringSubmatch(stanza)
			if err == nil && (name == nil || version == nil) {
				err = fmt.Errorf("the index has a stanza %q", stanza)
			}
			if err == nil {
				all = append(all, name[1]+"="+version[1])
			}
		}
		return index, all, err
	}
	c.read = func(into string) error {
		if err := get(into, "update"); err != nil {
			return err
		}
		_, all, err := stanzas()
		if err != nil {
			return err
		}
		return get(into, append([]string{"download"}, all...)...)
	}
	c.held = func(into string) (string, error) {
		release, err := only(filepath.Join(c.home, "lists/*_dists_noble_InRelease"))
		if err != nil {
			return "", err
		}
		index, all, err := stanzas()
		if err != nil {
			return "", err
		}
		date := dateForm.FindSubmatch(release)
		if date == nil {
			return "", errors.New("InRelease has no date")
		}
		at, err := time.Parse(time.RFC1123, string(date[1]))
		if err != nil {
			return "", err
		}
		id := at.UTC().Format("20060102T150405Z")
		named := fmt.Sprintf(" %s %d core/binary-amd64/Packages ", digestOf(index), len(index))
		if !strings.Contains(strings.Join(strings.Fields(string(release)), " "), named) {
			return "", fmt.Errorf("InRelease of %s does not name the index that it holds", id)
		}
		return id, errors.Join(c.snapshot(id, "InRelease", release), packages(into, "*.deb", index, len(all)))
	}
	return c
}

// dnfClient is a client of core-el9; where is its mirrorlist or base address.
func (d *servedDemo) dnfClient(t *testing.T, kind, where string, forgets bool) *client {
	t.Helper()
	c := &client{kind: kind, tree: filepath.Join(d.dir, "served/rpm/core/2025/el9-x86_64"), home: t.TempDir()}
	if forgets {
		c.forgets = []string{"root"}
	}
	c.write(t, map[string]string{"dnf.conf": fmt.Sprintf(`[main]
reposdir=/dev/null
varsdir=/dev/null
pluginpath=/dev/null
cachedir=%[1]s/cache
persistdir=%[1]s/persist
logdir=%[1]s

[core]
name=core
%[2]s
gpgcheck=1
repo_gpgcheck=1
gpgkey=http://%[3]s/gpg/public.asc
username=subscriber
password=%[4]s
skip_if_unavailable=0
`, c.home, where, d.address, d.key)})
	wanted := []string{"packyard-core", "packyard-minion", "packyard-sentinel", "packyard-tools"}
	c.read = func(into string) error {
		args := []string{"-y", "-q", "-c", filepath.Join(c.home, "dnf.conf"), "--installroot=" + filepath.Join(c.home, "root"), "--releasever=9",
			"--forcearch=x86_64", "--refresh", "install", "--downloadonly", "--downloaddir", into}
		_, err := c.run(t, into, "dnf", append(args, wanted...)...)
		return err
	}
	c.held = func(into string) (string, error) {
		repodata := filepath.Join(c.home, "root", c.home, "cache/core-*/repodata") // dnf puts its root before it
		repomd, err := only(filepath.Join(repodata, "repomd.xml"))
		if err != nil {
			return "", err
		}
		signature, err := only(filepath.Join(repodata, "repomd.xml.asc"))
		if err != nil {
			return "", err
		}
		primary, err := only(filepath.Join(repodata, "*-primary.xml.gz"))
		if err != nil {
			return "", err
		}
		revision := revisionForm.FindSubmatch(repomd)
		if revision == nil {
			return "", errors.New("repomd.xml has no revision")
		}
		at, err := strconv.ParseInt(string(revision[1]), 10, 64)
		if err != nil {
			return "", err
		}
		id := time.Unix(at, 0).UTC().Format("20060102T150405Z")
		if !bytes.Contains(repomd, []byte(digestOf(primary))) {
			return "", fmt.Errorf("repomd.xml of %s does not name the primary.xml that it holds", id)
		}
		z, err := gzip.NewReader(bytes.NewReader(primary))
		if err != nil {
			return "", err
		}
		index, err := io.ReadAll(z)
		if err != nil {
			return "", err
		}
		return id, errors.Join(c.snapshot(id, "repodata/repomd.xml", repomd), c.snapshot(id, "repodata/repomd.xml.asc", signature),
			packages(into, "*.rpm", index, len(wanted)))
	}
	return c
}

// write writes the settings of a client.
func (c *client) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(c.home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program of a client; what it prints is in the error.
func (c *client) run(t *testing.T, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "no_proxy=127.0.0.1", "APT_CONFIG="+filepath.Join(c.home, "apt.conf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return string(out), err
}

// only reads the one file that a pattern finds.
func only(pattern string) ([]byte, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%d files are %s: %v %v", len(found), pattern, found, err)
	}
	return os.ReadFile(found[0])
}
