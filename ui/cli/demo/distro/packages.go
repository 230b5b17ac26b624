package distro

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/rpmpack"
)

// Tags that rpmpack has no words for (rpmtag.h of rpm).
const (
	tagChangelogTime = 1080
	tagChangelogName = 1081
	tagChangelogText = 1082
)

// program is a package of the distribution: its versions, the oldest first.
type program struct {
	name, repo, summary string
	noarch              bool
	versions            []version
}

// version is one version of a package.
type version struct {
	evr  string // version-release, without the suffix of the distribution
	from age
	errs string // of a patch day: the advisory that brings it, and what it says
	text string // of its changelog
}

// age is how new the packages of an edition are.
type age int

const (
	before  age = iota // of the minor version before
	fresh              // of the one that is released
	patched            // after a patch day
)

// programs are all packages.
var programs = []program{
	{"bash", "BaseOS", "The GNU Bourne Again shell", false, []version{
		{"5.1.8-9", before, "", "Rebuild for the mass rebuild"}}},
	{"openssl", "BaseOS", "Utilities from the general purpose cryptography library", false, []version{
		{"3.2.2-6", before, "", "Fix a timing side channel"},
		{"3.5.1-3", fresh, "", "Rebase to 3.5.1"},
		{"3.5.1-4", patched, "RLSA-2025:21248 security Important openssl security update CVE-2025-9230", "Fix out-of-bounds read and write in RFC 3211 KEK unwrap\n- Resolves: CVE-2025-9230"}}},
	{"kernel", "BaseOS", "The Linux kernel", false, []version{
		{"5.14.0-570.12", before, "", "[9.6 GA]"},
		{"5.14.0-611.5", fresh, "", "[9.7 GA]"},
		{"5.14.0-611.8", patched, "RLSA-2025:21398 security Moderate kernel security update CVE-2025-38724", "nfsd: handle get_client_locked() failure\n- Resolves: CVE-2025-38724"}}},
	{"tzdata", "BaseOS", "Time zone data", true, []version{
		{"2025a-1", before, "", "Rebase to 2025a"}, {"2025b-1", fresh, "", "Rebase to 2025b"}}},
	{"nginx", "AppStream", "A high performance web server", false, []version{
		{"1.20.1-22", before, "", "Fix CVE-2024-7347"}, {"1.26.3-1", fresh, "", "Rebase to 1.26.3"}}},
	{"python3.12", "AppStream", "Version 3.12 of the Python interpreter", false, []version{
		{"3.12.9-1", before, "", "Update to 3.12.9"}, {"3.12.11-2", fresh, "", "Update to 3.12.11"},
		{"3.12.11-3", patched, "RLBA-2025:21501 bugfix None python3.12 bug fix update", "Skip a test that fails on slow machines"}}},
	{"tomcat", "AppStream", "Apache Servlet/JSP Engine", true, []version{
		{"9.0.87-3", before, "", "Fix CVE-2025-24813"}, {"9.0.110-1", fresh, "", "Rebase to 9.0.110"},
		{"9.0.87-4", patched, "RLBA-2025:21510 bugfix None tomcat bug fix update", "Back to 9.0.87: 9.0.110 breaks applications"}}},
	{"toolbox", "AppStream", "Unprivileged development environment", false, []version{
		{"0.1.1-3", before, "", "Rebuild"}}},
}

// at is the version of a package at an age; ok is false where there is none.
func (p program) at(a age) (v version, ok bool) {
	for _, one := range p.versions {
		if one.from <= a {
			v, ok = one, true
		}
	}
	return v, ok && (p.name != "toolbox" || a != patched) // which a patch day takes away
}

// built is when a version of a package was built: whoever builds it again on the
// same day gets the same bytes.
func (p program) built(v version) time.Time {
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour) // as rpmbuild stamps changelogs
	return day.AddDate(0, 0, -40*(len(p.versions)-slices.Index(p.versions, v)))
}

// build builds a package into a directory and returns its file name.
func (p program) build(dir, arch string, major int, v version) (string, error) {
	if p.noarch {
		arch = "noarch"
	}
	ver, rel, _ := strings.Cut(v.evr, "-")
	rel += fmt.Sprintf(".el%d", major)
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: p.name, Version: ver, Release: rel, Epoch: rpmpack.NoEpoch, Arch: arch,
		Summary: p.summary, Description: p.summary + ".\nBuilt by gantry demo; it does nothing.",
		Vendor: "gantry demo", Packager: "gantry demo <demo@rocky.example>", URL: "https://rocky.example/",
		Licence: "Apache-2.0", Group: "Unspecified", BuildHost: "demo.example", BuildTime: p.built(v), Compressor: "gzip",
	})
	if err != nil {
		return "", err
	}
	p.changelog(r, major, v)
	name := fmt.Sprintf("%s-%s-%s.%s.rpm", p.name, ver, rel, arch)
	r.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + p.name + "/data", Mode: 0o100644, Body: noise(name, 24<<10), Owner: "root", Group: "root", MTime: uint32(p.built(v).Unix())})
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	err = r.Write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return name, err
}

// changelog gives a package the history of its versions, newest first.
func (p program) changelog(r *rpmpack.RPM, major int, last version) {
	var times []int32
	var names, texts []string
	for _, v := range p.versions {
		times = append([]int32{int32(p.built(v).Unix())}, times...)
		names = append([]string{fmt.Sprintf("Ada Demo <ada@rocky.example> - %s.el%d", v.evr, major)}, names...)
		texts = append([]string{"- " + v.text}, texts...)
		if v == last {
			break
		}
	}
	r.AddCustomTag(tagChangelogTime, rpmpack.EntryInt32(times))
	r.AddCustomTag(tagChangelogName, rpmpack.EntryStringSlice(names))
	r.AddCustomTag(tagChangelogText, rpmpack.EntryStringSlice(texts))
}

// noise is so many bytes that do not compress, the same for the same name.
func noise(name string, size int) []byte {
	seed := fnv.New64a()
	seed.Write([]byte(name))
	source := rand.New(rand.NewPCG(seed.Sum64(), 0))
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(source.Uint32())
	}
	return body
}
