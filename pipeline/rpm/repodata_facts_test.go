package rpm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline/rpm"
)

// dependency is one as a header has it.
type dependency struct {
	name    string
	sense   uint32
	version string
}

// Tags of the names, flags and versions of each kind of dependency.
var dependencyTags = map[string][3]int{
	"provides":    {1047, 1112, 1113},
	"requires":    {1049, 1048, 1050},
	"conflicts":   {1054, 1053, 1055},
	"obsoletes":   {1090, 1114, 1115},
	"recommends":  {5046, 5048, 5047},
	"suggests":    {5049, 5051, 5050},
	"supplements": {5052, 5054, 5053},
	"enhances":    {5055, 5057, 5056},
}

// recipe is a package to be built.
type recipe struct {
	meta    rpmpack.RPMMetaData
	files   []rpmpack.RPMFile
	depends map[string][]dependency
	changes [][2]string // author and text, newest first
	times   []uint32    // of the changes
	tags    map[int]rpmpack.IndexEntry
}

// build writes the package into dir.
func build(t testing.TB, dir string, r recipe) {
	t.Helper()
	if r.meta.Version == "" {
		r.meta.Version, r.meta.Release = "1.0", "1"
	}
	if r.meta.Arch == "" {
		r.meta.Arch = "x86_64"
	}
	p, err := rpmpack.NewRPM(r.meta)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.files {
		p.AddFile(f)
	}
	p.AddCustomTag(1044, rpmpack.EntryString(r.meta.Name+"-1.0-1.src.rpm"))
	for kind, list := range r.depends {
		var names, versions []string
		var senses []uint32
		for _, d := range list {
			names, versions, senses = append(names, d.name), append(versions, d.version), append(senses, d.sense)
		}
		tags := dependencyTags[kind]
		p.AddCustomTag(tags[0], rpmpack.EntryStringSlice(names))
		p.AddCustomTag(tags[1], rpmpack.EntryUint32(senses))
		p.AddCustomTag(tags[2], rpmpack.EntryStringSlice(versions))
	}
	if len(r.changes) > 0 {
		var names, texts []string
		for _, c := range r.changes {
			names, texts = append(names, c[0]), append(texts, c[1])
		}
		p.AddCustomTag(1080, rpmpack.EntryUint32(r.times))
		p.AddCustomTag(1081, rpmpack.EntryStringSlice(names))
		p.AddCustomTag(1082, rpmpack.EntryStringSlice(texts))
	}
	for tag, e := range r.tags {
		p.AddCustomTag(tag, e)
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%s-%s.%s.rpm", r.meta.Name, r.meta.Version, r.meta.Release, r.meta.Arch)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

const (
	less, greater, equal = 2, 4, 8
	prereq               = 1 << 6
	scriptPre            = 1 << 9
	scriptPost           = 1 << 10
	rpmlib               = 1 << 24
)

func rich() []recipe {
	var changes [][2]string
	var times []uint32
	for i := range 14 {
		changes = append(changes, [2]string{fmt.Sprintf("A <a%d@example.org> - 1-%d  ", i, i), fmt.Sprintf("- change %d & <more>\n- \"two\"\ttabbed\r", i)})
		times = append(times, uint32(1700000000-i/3*86400)) // three of each day
	}
	return []recipe{
		{
			meta: rpmpack.RPMMetaData{
				Name: "relations", Epoch: 3, Summary: "all <kinds> & \"quotes\"", Description: "first\n\n  second\tline\r\nthird ]]> end",
				Vendor: "V", URL: "https://example.org/?a=1&b=2", Packager: "P <p@example.org>", Group: "G", Licence: "MIT", BuildHost: "h",
			},
			files: []rpmpack.RPMFile{
				{Name: "/etc/relations", Mode: 0o40755}, {Name: "/etc/relations/a.conf", Mode: 0o100644, Type: rpmpack.ConfigFile, Body: []byte("x")},
				{Name: "/usr/bin/relations", Mode: 0o100755, Body: []byte("#!/bin/sh\n")}, {Name: "/usr/lib/sendmail", Mode: 0o100755, Body: []byte("y")},
				{Name: "/var/log/relations.log", Mode: 0o100644, Type: rpmpack.GhostFile}, {Name: "/usr/share/<odd> & \"name\"", Mode: 0o100644, Body: []byte("z")},
				{Name: "/opt/x/sbin/tool", Mode: 0o100755, Type: rpmpack.GhostFile}, {Name: "/usr/share/cabin/readme", Mode: 0o100644},
			},
			depends: map[string][]dependency{
				"provides": {
					{"relations", equal, "3:1.0-1"}, {"relations", equal, "3:1.0-1"}, {"cap", 0, ""}, {"cap(x)(64bit)", less | equal, "2"},
					{"virtual", greater, "1:2-3-4"}, {"config(relations)", equal | 1<<28, "3:1.0-1"}, {"bad", equal, "a:1"}, {"colon", equal, ":1"},
					{"signed", equal, "-1:1"}, {"", 0, ""}, {"quote\"<&>'", equal, "1&2"},
				},
				"requires": {
					{"rpmlib(CompressedFileNames)", rpmlib | less | equal, "3.0.4-1"}, {"/usr/bin/relations", 0, ""}, {"/usr/share/<odd> & \"name\"", 0, ""},
					{"/bin/sh", scriptPre, ""}, {"/bin/sh", scriptPost, ""}, {"/bin/sh", 0, ""}, {"/bin/sh", 0, ""}, {"cap", 0, ""}, {"cap", equal, "1"},
					{"dup", equal, "1"}, {"dup", equal, "2"}, {"dup", equal, "1"}, {"dup", equal, "1"}, {"pre", prereq | greater | equal, "0:1"},
					{"libc.so.6()(64bit)", 0, ""}, {"libc.so.6(GLIBC_2.2.5)(64bit)", 0, ""}, {"libc.so.6(GLIBC_2.34)(64bit)", 0, ""}, {"libc.so.6(GLIBC_2.4)(64bit)", 0, ""},
					{"last", less, "5"}, {"pretrans", 1 << 7, ""}, {"(a if b)", 0, ""}, {"epochless", equal, "x:1"},
				},
				"conflicts":   {{"c", less, "1"}, {"c", less, "1"}},
				"obsoletes":   {{"o", less, "0:1-1"}},
				"recommends":  {{"r", 0, ""}, {"r2", equal, "1-"}},
				"suggests":    {{"s", 0, ""}},
				"supplements": {{"(p and q)", 0, ""}},
				"enhances":    {{"e", greater, "1"}},
			},
			changes: changes, times: times,
		},
		{
			meta:    rpmpack.RPMMetaData{Name: "libc", Summary: "libc orders"},
			depends: map[string][]dependency{"requires": {{"libc.so.6", 0, ""}, {"libc.so.6()(64bit)", 0, ""}, {"libc.so.6(X)", 0, ""}, {"libc.so.6(", 0, ""}, {"z", 0, ""}}},
		},
		{
			meta: rpmpack.RPMMetaData{Name: "unicode", Summary: "žluťoučký kůň 🐎", Description: "日本語\u2028x", Packager: "Jos\u00e9 <j@example.org>"},
			files: []rpmpack.RPMFile{
				{Name: "/usr/share/žluť/kůň", Mode: 0o100644}, {Name: "/usr/share/plain", Mode: 0o100644},
			},
			depends: map[string][]dependency{"provides": {{"kůň", equal, "1"}}},
			changes: [][2]string{{"Zoë <z@example.org>", "- přidáno"}}, times: []uint32{1},
		},
		{
			meta:    rpmpack.RPMMetaData{Name: "latin", Summary: "caf\xe9 \x93quoted\x94", Description: "na\xefve & <\xfc>\n", Packager: "Ren\xe9 \"R\" <r@example.org>"},
			files:   []rpmpack.RPMFile{{Name: "/usr/share/caf\xe9", Mode: 0o100644}},
			depends: map[string][]dependency{"provides": {{"caf\xe9", equal, "1"}}},
			changes: [][2]string{{"Ren\xe9", "- caf\xe9\x85"}}, times: []uint32{1},
		},
		{meta: rpmpack.RPMMetaData{Name: "bare"}},
	}
}

func TestRichPackagesAreDescribedAsByCreaterepo(t *testing.T) {
	dir := t.TempDir()
	for _, r := range rich() {
		build(t, dir, r)
	}
	sameAsCreaterepo(t, dir, repoOf(t, dir))
}

// createrepo_c 0.17 writes control characters as they are, which no XML reader
// takes; they are left out here.
func TestForbiddenCharactersAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, recipe{
		meta:    rpmpack.RPMMetaData{Name: "control", Summary: "a\x01b\x1b[31mc\ufffed", Description: "x\u0085y"},
		files:   []rpmpack.RPMFile{{Name: "/usr/bin/a\x02b", Mode: 0o100644}},
		changes: [][2]string{{"me\x07", "- surrogate \xed\xa0\x80 here"}}, times: []uint32{1},
	})
	write(t, dir, repoOf(t, dir), rpm.RepodataOptions{Compression: config.Gzip})
	for name, want := range map[string]string{
		"primary":   "<summary>ab[31mcd</summary>\n  <description>x\u0085y</description>",
		"filelists": "<file>/usr/bin/ab</file>",
		"other":     `<changelog author="me" date="1">- surrogate í here</changelog>`,
	} {
		if doc := document(t, dir, name); !strings.Contains(doc, want) {
			t.Errorf("%s has no %q:\n%s", name, want, doc)
		}
	}
}

// The kit's packages, a few hundred of them.
func TestBenchPackagesAreDescribedAsByCreaterepo(t *testing.T) {
	dir := os.Getenv("GANTRY_BENCH")
	if dir == "" {
		t.Skip("GANTRY_BENCH is not set")
	}
	found, err := filepath.Glob(filepath.Join(dir, "rpms-2k", "Packages", "[a-f]", "*.rpm"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no packages: %v", err)
	}
	some := t.TempDir()
	for _, name := range found {
		if err := os.Symlink(name, filepath.Join(some, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	sameAsCreaterepo(t, some, repoOf(t, some))
}

// What createrepo_c's reader makes of the metadata, with every fact it knows.
const readerScript = `
import createrepo_c as cr, json, sys
md = cr.Metadata()
md.locate_and_load_xml(sys.argv[1])
names = [n for n in dir(cr.Package) if not n.startswith("_") and n not in ("copy", "nevra", "nvra", "files_checksum_type")]
out = []
for key in sorted(md.keys()):
    p = md.get(key)
    out.append({n: getattr(p, n) for n in names})
json.dump(out, sys.stdout, indent=1, sort_keys=True, default=str)
`

func TestCreaterepoReadsTheFactsItWouldWrite(t *testing.T) {
	client(t, "createrepo_c")
	python := "/usr/bin/python3" // the system's, which has the module
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for _, r := range rich() {
		build(t, dir, r)
	}
	run(t, "createrepo_c", "-q", "--no-database", dir)
	theirs := run(t, python, "-c", readerScript, dir)
	if err := os.RemoveAll(filepath.Join(dir, "repodata")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, repoOf(t, dir), rpm.RepodataOptions{Compression: config.Gzip, Revision: 1})
	if diff := cmp.Diff(theirs, run(t, python, "-c", readerScript, dir)); diff != "" {
		t.Errorf("createrepo_c's reader sees (-theirs +ours):\n%s", diff)
	}
	if !strings.Contains(theirs, "relations") {
		t.Errorf("the reader saw no packages: %s", theirs)
	}
}
