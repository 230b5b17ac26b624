package repodata_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"gantry/pipeline/repodata"
)

func TestRepomdThatMisleadsIsRefused(t *testing.T) {
	r, _ := small(t, ".gz")
	good := string(r.Encode())
	start := strings.Index(good, `  <data type="other">`)
	other := good[start:strings.Index(good, "</repomd>")]
	digest := r.Primary.Checksum.Hex
	for _, test := range []struct{ name, from, to, want string }{
		{"other twice", other, other + other, "two documents"},
		{"no other", other, "", "other: checksum"},
		{"a stranger", `type="other"`, `type="stranger"`, "unexpected type"},
		{"sha1", `<checksum type="sha256">` + digest, `<checksum type="sha">` + digest[:40], "not SHA-256 or better"},
		{"md5", `<open-checksum type="sha256">`, `<open-checksum type="md5">`, "not SHA-256 or better"},
		{"no kind", `<checksum type="sha256">` + digest, `<checksum>` + digest, "not SHA-256 or better"},
		{"a short digest", digest + "</checksum>", digest[1:] + "</checksum>", "is not a sha256 checksum"},
		{"upper case", digest + "</checksum>", strings.ToUpper(digest) + "</checksum>", "is not a sha256 checksum"},
		{"two digests", "<timestamp>", `<checksum type="sha256">` + digest + "</checksum><timestamp>", "two elements"},
		{"no open checksum", `<open-checksum type="sha256">` + r.Primary.Open.Hex + "</open-checksum>", "", "is not told"},
		{"up", `href="repodata/`, `href="repodata/../../`, "not a plain path"},
		{"absolute", `href="repodata/`, `href="/repodata/`, "not a plain path"},
		{"scheme", `href="repodata/`, `href="http://example.org/`, "not a plain path"},
		{"scheme-relative", `href="repodata/`, `href="//example.org/`, "not a plain path"},
		{"backslash", `href="repodata/`, `href="repodata\`, "not a plain path"},
		{"percent", `href="repodata/`, `href="repodata%2f..%2f`, "not a plain path"},
		{"query", `href="repodata/`, `href="repodata/x?`, "not a plain path"},
		{"elsewhere", `href="repodata/`, `href="Packages/`, "not in repodata/"},
		{"below", `href="repodata/`, `href="repodata/x/`, "not in repodata/"},
		{"no href", `href="repodata/`, `src="repodata/`, "location has the attribute"},
		{"base", `href="repodata/`, `xml:base="http://example.org/" href="repodata/`, "location has the attribute"},
		{"no size", fmt.Sprintf("<size>%d</size>", r.Primary.Size), "", "is not told"},
		{"negative", "<size>", "<size>-", "is not a number"},
		{"bomb", "<open-size>", "<open-size>99999999", "not credible"},
		{"packing", ".xml.gz", ".xml.bz2", "neither"},
		{"no revision", "<revision>1780000000</revision>", "", "no revision"},
		{"two revisions", "<revision>", "<revision>1</revision><revision>", "two revisions"},
		{"odd revision", "<revision>", "<revision>x", "is not a number"},
		{"another root", "<repomd ", "<metadata ", "belongs"},
		{"two roots", "</repomd>", "</repomd><repomd/>", "belongs"},
		{"another namespace", "http://linux.duke.edu/metadata/repo", "http://example.org", "belongs"},
		{"doctype", "<repomd ", "<!DOCTYPE repomd [<!ENTITY a \"b\">]><repomd ", "document type"},
		{"entity", "<revision>", "<revision>&a;", "entity"},
		{"charset", "UTF-8", "ISO-8859-1", "encoding"},
		{"cut", "</repomd>", "", "EOF"},
		{"deep", "<revision>", strings.Repeat("<a>", 9) + "<revision>", "too deep"},
		{"large", "</repomd>", strings.Repeat(" ", 1<<20) + "</repomd>", "too large"},
		{"nothing", good, "", "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bad := strings.Replace(good, test.from, test.to, 1)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			got, err := repodata.ReadRepomd(strings.NewReader(bad))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want an error with %q", got, err, test.want)
			}
		})
	}
}

func TestPrimaryThatMisleadsIsRefused(t *testing.T) {
	r, docs := small(t, ".gz")
	var good string
	err := r.Primary.Read(bytes.NewReader(docs[0]), func(x io.Reader) error {
		b, err := io.ReadAll(x)
		good = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	first := good[strings.Index(good, "<package "):strings.Index(good, "</package>")]
	for _, test := range []struct{ name, from, to, want string }{
		{"fewer than announced", first + "</package>\n", "", "3 packages announced, 2 there"},
		{"no number", ` packages="3"`, "", "is not a number"},
		{"not a package", "<package type=\"rpm\">", "<package type=\"deb\">", "where packages belong"},
		{"two names", "<name>", "<name>other</name><name>", "two elements \"name\""},
		{"no arch", "<arch>noarch</arch>\n", "", "no element \"arch\""},
		{"weak checksum", `<checksum type="sha256"`, `<checksum type="sha"`, "not sha256"},
		{"bad checksum", `pkgid="YES">`, `pkgid="YES">0`, "not a SHA-256"},
		{"two locations", "<location ", `<location href="a"/><location `, "two elements \"location\""},
		{"base", "<location ", `<location xml:base="http://example.org" `, "another base"},
		{"up", `href="Packages/`, `href="../Packages/`, "not a plain path"},
		{"hidden up", `href="Packages/`, `href="Packages/../../`, "not a plain path"},
		{"absolute", `href="Packages/`, `href="/Packages/`, "not a plain path"},
		{"scheme", `href="Packages/`, `href="http://example.org/`, "not a plain path"},
		{"backslash", `href="Packages/`, `href="..\Packages/`, "not a plain path"},
		{"percent", `href="Packages/`, `href="%2e%2e/`, "not a plain path"},
		{"newline", `href="Packages/`, `href="Pack&#10;ages/`, "character"},
		{"NUL", `href="Packages/`, `href="Pack&#0;ages/`, "character"},
		{"name of a path", "<name>", "<name>../", "bad name"},
		{"escape sequence", "<name>", "<name>&#x9b;31m", "bad name"},
		{"epoch", `epoch="0"`, `epoch="-1"`, ""},
		{"no version", `ver="1"`, ``, "bad version"},
		{"negative size", `size package="`, `size package="-`, "is not a number"},
		{"odd header", `header-range start="`, `header-range start="99999999`, "not credible"},
		{"doctype", "<metadata ", "<!DOCTYPE metadata><metadata ", "document type"},
		{"long text", "<summary>", "<summary>" + strings.Repeat("long ", 1<<20), "too large"},
		{"long attribute", `<location `, `<location x="` + strings.Repeat("long ", 1<<20) + `" `, "too large"},
		{"not XML", "<name>", "<name", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			bad := strings.Replace(good, test.from, test.to, 1)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			err := repodata.ReadPrimary(strings.NewReader(bad), func(repodata.PackageRef) error { return nil })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestDocumentThatIsNotWhatRepomdSaysIsRefused(t *testing.T) {
	for _, c := range []string{".gz", ".zst", ".xz"} {
		r, docs := small(t, c)
		good, data := r.Primary, docs[0]
		doc := func(change func(d *repodata.Document)) repodata.Document {
			d := good
			change(&d)
			return d
		}
		zeros := strings.Repeat("0", 64)
		for _, test := range []struct {
			name string
			doc  repodata.Document
			data []byte
			want string
		}{
			{"cut", good, data[:len(data)-1], ""},
			{"nothing", good, nil, ""},
			{"longer", good, append(bytes.Clone(data), 0), ""},
			{"changed", good, append(append(bytes.Clone(data[:40]), data[40]^1), data[41:]...), ""},
			{"digest", doc(func(d *repodata.Document) { d.Checksum.Hex = zeros }), data, "checksum is"},
			{"open digest", doc(func(d *repodata.Document) { d.Open.Hex = zeros }), data, "checksum is"},
			{"smaller", doc(func(d *repodata.Document) { d.Size-- }), data, "longer"},
			{"larger", doc(func(d *repodata.Document) { d.Size++ }), data, "1 bytes shorter"},
			{"open smaller", doc(func(d *repodata.Document) { d.OpenSize-- }), data, "longer"},
			{"open larger", doc(func(d *repodata.Document) { d.OpenSize++ }), data, "1 bytes shorter"},
			{"other packing", doc(func(d *repodata.Document) { d.Href = "repodata/x.xml.bz2" }), data, "bzip2"},
			{"packing that is not read", doc(func(d *repodata.Document) { d.Href = "repodata/x.xml.zck" }), data, "zchunk"},
			{"no digest", doc(func(d *repodata.Document) { d.Checksum = repodata.Checksum{} }), data, "SHA-256 or better"},
		} {
			t.Run(c+" "+test.name, func(t *testing.T) {
				err := test.doc.Read(bytes.NewReader(test.data), nil)
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want an error with %q", err, test.want)
				}
			})
		}
	}
}

// A small file that unpacks to much is cut off where repomd.xml says it ends.
func TestBombIsCutOff(t *testing.T) {
	for _, ext := range []string{"gz", "zst", "xz"} {
		var b bytes.Buffer
		var w io.WriteCloser = gzip.NewWriter(&b)
		switch ext {
		case "zst":
			w, _ = zstd.NewWriter(&b)
		case "xz":
			w, _ = xz.NewWriter(&b)
		}
		if _, err := io.CopyN(w, zero{}, 64<<20); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		d := repodata.Document{
			Href: "repodata/x.xml." + ext, Size: int64(b.Len()), OpenSize: 1 << 20,
			Checksum: repodata.Checksum{Kind: "sha256", Hex: hex.EncodeToString(sum[:])},
			Open:     repodata.Checksum{Kind: "sha256", Hex: strings.Repeat("0", 64)},
		}
		seen := 0
		err := d.Read(&b, func(r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			seen = int(n)
			return err
		})
		if err == nil || seen > 1<<20 {
			t.Errorf("%s: %d bytes, %v", ext, seen, err)
		}
		d.OpenSize = 64 << 20
		if err := d.Read(bytes.NewReader(nil), nil); ext == "zst" && !strings.Contains(fmt.Sprint(err), "not credible") {
			t.Errorf("%s: %d of %d bytes: %v", ext, d.OpenSize, d.Size, err)
		}
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func FuzzReadRepomd(f *testing.F) {
	r, _ := small(f, ".gz")
	f.Add(r.Encode())
	f.Add([]byte(`<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision></repomd>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := repodata.ReadRepomd(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := repodata.ReadRepomd(bytes.NewReader(r.Encode()))
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("what was read does not read back: %v\n%s", err, diff)
		}
	})
}

func FuzzReadPrimary(f *testing.F) {
	r, docs := small(f, ".gz")
	err := r.Primary.Read(bytes.NewReader(docs[0]), func(x io.Reader) error {
		b, err := io.ReadAll(x)
		f.Add(b)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		repodata.ReadPrimary(bytes.NewReader(data), func(p repodata.PackageRef) error { // any error is fine
			if p.Name == "" || p.Arch == "" || len(p.SHA256) != 64 || p.Size <= 0 || strings.Contains(p.Href, "..") && strings.Contains("/"+p.Href+"/", "/../") {
				t.Errorf("handed out %+v", p)
			}
			return nil
		})
	})
}

func FuzzReadDocument(f *testing.F) {
	for _, c := range []string{".gz", ".zst", ".xz"} {
		r, docs := small(f, c)
		f.Add(docs[0], r.Primary.Href, r.Primary.OpenSize)
	}
	f.Fuzz(func(t *testing.T, data []byte, href string, open int64) {
		sum := sha256.Sum256(data)
		d := repodata.Document{
			Href: href, Size: int64(len(data)), OpenSize: open,
			Checksum: repodata.Checksum{Kind: "sha256", Hex: hex.EncodeToString(sum[:])},
			Open:     repodata.Checksum{Kind: "sha256", Hex: strings.Repeat("0", 64)},
		}
		if err := d.Read(bytes.NewReader(data), nil); err == nil {
			t.Error("a document with a made-up digest was taken")
		}
	})
}
