package repodata_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gantry/pipeline/repodata"
)

// entry is the element of a document in repomd.xml.
func entry(kind, rest string) string {
	return `<data type="` + kind + `"><checksum type="sha256">` + strings.Repeat("0", 64) + `</checksum><location href="repodata/` + kind + `.xml.gz"/><size>10</size>` + rest + "</data>"
}

func index(data string) string {
	return `<repomd xmlns="http://linux.duke.edu/metadata/repo">` + data + "</repomd>"
}

func TestRepomdOfOthersIsRead(t *testing.T) {
	for _, test := range []struct{ name, doc string }{
		{"no revision", index(entry("primary", ""))},
		{"a revision that is no number", index("<revision>9.7 (Blue Onyx)</revision>" + entry("primary", ""))},
		{"empty sizes", index(entry("primary", `<open-size></open-size><open-size-x/>`))},
		{"empty digest", index(entry("primary", `<open-checksum type="sha256"></open-checksum>`))},
		{"a fraction of a second", index(entry("primary", `<timestamp>1780000000.25</timestamp>`))},
		{"zchunk", index(entry("primary", "") + entry("primary_zck", `<header-checksum type="sha256">00</header-checksum><header-size>3</header-size>`))},
		{"what nobody knows", index("<tags><distro cpeid=\"cpe:/o:rocky:rocky:9\">Rocky Linux 9</distro></tags>" + entry("primary", "") + entry("appstream-icons.v2+x", ""))},
	} {
		x, err := repodata.ReadIndex(strings.NewReader(test.doc))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if d, ok := x.Document("primary"); !ok || d.Size != 10 || d.OpenSize != 0 || d.Open != (repodata.Checksum{}) {
			t.Errorf("%s: %+v", test.name, x)
		}
	}
}

func TestRepomdOfOthersThatMisleadsIsRefused(t *testing.T) {
	good := index(entry("primary", "") + entry("modules", "<open-size>20</open-size>"))
	for _, test := range []struct{ name, from, to, want string }{
		{"no primary", `type="primary"`, `type="secondary"`, "no primary"},
		{"twice", `type="modules"`, `type="primary"`, "two documents"},
		{"an odd type", `type="modules"`, `type="../modules"`, "odd type"},
		{"no type", `type="modules"`, ``, "odd type"},
		{"a long type", `type="modules"`, `type="` + strings.Repeat("m", 65) + `"`, "odd type"},
		{"up", `href="repodata/modules`, `href="../modules`, "not a plain path"},
		{"elsewhere", `href="repodata/modules`, `href="https://example.org/modules`, "not a plain path"},
		{"base", `<location href="repodata/modules`, `<location xml:base="https://example.org" href="modules`, "location has"},
		{"weak", `<checksum type="sha256">`, `<checksum type="sha">`, "not SHA-256 or better"},
		{"no digest", `<checksum type="sha256">` + strings.Repeat("0", 64) + `</checksum>`, ``, "not SHA-256 or better"},
		{"an empty digest", strings.Repeat("0", 64), ``, "is not a sha256"},
		{"an odd open digest", "<open-size>", `<open-checksum type="sha256">00</open-checksum><open-size>`, "is not a sha256"},
		{"a bomb", "<open-size>20", "<open-size>99999999999", "not credible"},
		{"more than any has", "<size>10</size>", "<size>99999999999</size>", "not credible"},
		{"many", "</repomd>", entries("a", 64) + "</repomd>", "more than 64"},
		{"doctype", "<repomd ", "<!DOCTYPE repomd><repomd ", "document type"},
	} {
		bad := strings.Replace(good, test.from, test.to, 1)
		if bad == good {
			t.Fatalf("%s changes nothing", test.name)
		}
		if x, err := repodata.ReadIndex(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %+v, %v, want an error with %q", test.name, x, err, test.want)
		}
	}
}

func entries(kind string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(entry(fmt.Sprint(kind, i), ""))
	}
	return b.String()
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(index("<revision>9</revision>" + entry("primary", "<open-size></open-size>") + entry("modules", ""))))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := repodata.ReadIndex(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, d := range x.Documents {
			if repodata.CheckHref(d.Href) != nil || d.Size < 0 || d.Checksum.Hex == "" {
				t.Errorf("handed out %+v", d)
			}
		}
	})
}

// Files of xz as its tools make them are unpacked: in many blocks, with and
// without their sizes, with every check.
func TestXZIsUnpacked(t *testing.T) {
	plain := bytes.Repeat(text("primary", []string{"core", "tools"}), 40)
	for _, args := range [][]string{{}, {"-9"}, {"-0", "--check=none"}, {"--check=crc32"}, {"--check=sha256", "-6e"}, {"--block-size=4096"}, {"-T2", "--block-size=8192"}} {
		cmd := exec.Command(tool(t, "xz"), append(args, "-c")...)
		cmd.Stdin = bytes.NewReader(plain)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		d := described("primary", "repodata/primary.xml.xz", packed, plain)
		var got []byte
		err = d.Read(bytes.NewReader(packed), func(r io.Reader) (err error) {
			got, err = io.ReadAll(r)
			return err
		})
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("xz %v: %d bytes of %d, %v", args, len(got), len(plain), err)
		}
		for _, cut := range []int{1, 13, len(packed) / 2} {
			part := packed[:len(packed)-cut]
			d := described("primary", "repodata/primary.xml.xz", part, plain)
			if err := d.Read(bytes.NewReader(part), nil); cut > 40 && err == nil {
				t.Errorf("xz %v without its last %d bytes is taken", args, cut)
			}
		}
	}
}

// A block that asks for gigabytes is refused, be it the first or a later one.
func TestXZThatAsksForMuchMemoryIsRefused(t *testing.T) {
	cmd := exec.Command(tool(t, "xz"), "-0", "--block-size=4096", "-T1", "-c")
	plain := bytes.Repeat([]byte("some text and more "), 1000)
	cmd.Stdin = bytes.NewReader(plain)
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	property := []byte{0x21, 0x01, packed[bytes.Index(packed, []byte{0x21, 0x01})+2]} // LZMA2, and its window
	blocks := bytes.Count(packed, property)
	if blocks < 3 {
		t.Fatalf("only %d blocks", blocks)
	}
	for _, at := range []int{bytes.Index(packed, property), bytes.LastIndex(packed, property)} {
		bad := bytes.Clone(packed)
		bad[at+2] = 40 // 4 GiB
		d := described("primary", "repodata/primary.xml.xz", bad, plain)
		if err := d.Read(bytes.NewReader(bad), nil); err == nil || !strings.Contains(err.Error(), "bytes of memory") {
			t.Errorf("%v", err)
		}
	}
}

func TestErrataThatMislead(t *testing.T) {
	good := updateinfo
	for _, test := range []struct{ name, from, to, want string }{
		{"no id", "<id>RLSA-2025:0001</id>", "", "without an id"},
		{"another root", "<updates>", "<metadata>", "belongs"},
		{"many CVEs", "<references>", "<references>" + strings.Repeat(`<reference type="cve" id="x"/>`, 5001), "more than 5000"},
		{"many packages", `<name>core</name>`, strings.Repeat(`<package name="x"/>`, 50_001), "more than 50000"},
		{"entities", "Repairs it.", "&a;", "entity"},
		{"cut", "</updates>", "", "EOF"},
	} {
		bad := strings.Replace(good, test.from, test.to, 1)
		if bad == good {
			t.Fatalf("%s changes nothing", test.name)
		}
		err := repodata.ReadAdvisories(strings.NewReader(bad), func(repodata.Advisory) error { return nil })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
	}
	stop := errors.New("stop")
	if err := repodata.ReadAdvisories(strings.NewReader(good), func(repodata.Advisory) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that stops: %v", err)
	}
}

func TestDatesOfErrata(t *testing.T) {
	for _, test := range []struct{ date, want string }{
		{"2025-11-20 12:34:56", "2025-11-20"},
		{"2025-11-20 12:34:56 UTC", "2025-11-20"},
		{"2025-11-20", "2025-11-20"},
		{"2025-11-20T12:34:56Z", "2025-11-20"},
		{"1763642096", "2025-11-20"},
		{"yesterday", "0001-01-01"},
	} {
		doc := strings.Replace(updateinfo, `<updated date="2025-11-21 12:00:00"/>`, "", 1)
		doc = strings.Replace(doc, "2025-11-20 12:00:00", test.date, 1)
		err := repodata.ReadAdvisories(strings.NewReader(doc), func(a repodata.Advisory) error {
			if got := a.Time.Format("2006-01-02"); got != test.want {
				t.Errorf("%q is read as %s", test.date, got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func FuzzReadAdvisories(f *testing.F) {
	f.Add([]byte(updateinfo))
	f.Fuzz(func(t *testing.T, data []byte) {
		repodata.ReadAdvisories(bytes.NewReader(data), func(a repodata.Advisory) error { // any error is fine
			if a.ID == "" || len(a.ID) > 100 || len(a.Title) > 500 {
				t.Errorf("handed out %+v", a)
			}
			return nil
		})
	})
}

// changes is other.xml of one package with so many entries.
func changes(n int) string {
	var b strings.Builder
	b.WriteString(`<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1"><package pkgid="id" name="a" arch="noarch">`)
	for i := range n {
		fmt.Fprintf(&b, `<changelog author="a" date="%d">entry %d</changelog>`, i, i)
	}
	return b.String() + "</package></otherdata>"
}

func TestChangelogsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "entries")
		err := repodata.ReadChangelogs(strings.NewReader(changes(n)), map[string]bool{"id": true}, func(_ string, log []repodata.Change) error {
			if want := min(n, 64); len(log) != want || n > 0 && log[len(log)-1].Text != fmt.Sprint("entry ", n-1) {
				t.Errorf("%d entries, want the last %d", len(log), want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	long := strings.Replace(changes(1), "entry 0", strings.Repeat("x", 1<<20), 1)
	err := repodata.ReadChangelogs(strings.NewReader(long), map[string]bool{"id": true}, func(_ string, log []repodata.Change) error {
		if len(log[0].Text) > 20<<10 {
			t.Errorf("an entry of %d bytes", len(log[0].Text))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	bad := strings.Replace(changes(1), `date="0"`, `date="today"`, 1)
	if err := repodata.ReadChangelogs(strings.NewReader(bad), map[string]bool{"id": true}, func(string, []repodata.Change) error { return nil }); err == nil {
		t.Error("an entry without a date is taken")
	}
	if err := repodata.ReadChangelogs(strings.NewReader(bad), nil, func(string, []repodata.Change) error { return nil }); err != nil {
		t.Errorf("a package that nobody asks for: %v", err)
	}
}

func FuzzReadChangelogs(f *testing.F) {
	f.Add([]byte(changes(3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		repodata.ReadChangelogs(bytes.NewReader(data), map[string]bool{"id": true}, func(id string, log []repodata.Change) error { // any error is fine
			if id != "id" || len(log) > 64 {
				t.Errorf("handed out %d entries of %q", len(log), id)
			}
			return nil
		})
	})
}

// The packages of the corpus, which are rpm's own oddest, as createrepo_c lists
// those that it can read.
func TestRepositoryOfCorpus(t *testing.T) {
	corpus := os.Getenv("GANTRY_CORPUS")
	if corpus == "" {
		t.Skip("GANTRY_CORPUS names no folder")
	}
	dir := t.TempDir()
	do(t, dir, "createrepo_c", "--no-database", "-o", dir, filepath.Join(corpus, "rpm"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	repo, err := repodata.Scan(t.Context(), root, ".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := repo.Packages(t.Context(), func(repodata.PackageRef) error { n++; return nil }); err != nil || n < 15 {
		t.Errorf("%d packages, %v", n, err)
	}
}
