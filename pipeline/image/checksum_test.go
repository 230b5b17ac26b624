package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/image"
)

const (
	one = "5f2a7b9f0fd1d7b1cbb9d7e4d4bb4b1a5f2a7b9f0fd1d7b1cbb9d7e4d4bb4b1a"
	two = "0f2a7b9f0fd1d7b1cbb9d7e4d4bb4b1a5f2a7b9f0fd1d7b1cbb9d7e4d4bb4b1a"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		text, words string
		want        []image.Sum
	}{
		"pairs": {"# b.iso: 11563106304 bytes\nSHA256 (b.iso) = " + one + "\n# a (1).iso: 0 bytes\nSHA256 (a (1).iso) = " + two + "\n", "",
			[]image.Sum{{"a (1).iso", 0, two}, {"b.iso", 11563106304, one}}},
		"sha256sum":           {one + "  a.iso\n" + two + " *b.iso\n", "", []image.Sum{{"a.iso", -1, one}, {"b.iso", -1, two}}},
		"upper case":          {strings.ToUpper(one) + "  a.iso\n", "", []image.Sum{{"a.iso", -1, one}}},
		"twice the same":      {strings.Repeat("# a: 1 bytes\nSHA256 (a) = "+one+"\n", 2), "", []image.Sum{{"a", 1, one}}},
		"empty":               {"", "", []image.Sum{}},
		"no newline":          {one + "  a", "", []image.Sum{{"a", -1, one}}},
		"two digests":         {"SHA256 (a) = " + one + "\nSHA256 (a) = " + two, "line 2: a is there twice", nil},
		"two sizes":           {"# a: 1 bytes\n# a: 2 bytes\n", "line 2: a is there twice", nil},
		"size alone":          {"# a: 1 bytes\n", "the size of a is there, its SHA-256 is not", nil},
		"absolute":            {one + "  /etc/passwd", "no name of a file here", nil},
		"above":               {"SHA256 (../a) = " + one, "no name of a file here", nil},
		"dots":                {one + "  ..", "no name of a file here", nil},
		"below":               {one + "  ./a", "no name of a file here", nil},
		"escaped by its tool": {`\` + one + `  a\nb`, "no SHA-256 of a file", nil},
		"escape sequence":     {one + "  a\x1b[2J", "control characters", nil},
		"CRLF":                {one + "  a\r\n", "control characters", nil},
		"not UTF-8":           {one + "  a\xff", "control characters", nil},
		"bidi":                {one + "  a\u202eb", "control characters", nil},
		"SHA-1":               {"SHA1 (a) = da39a3ee5e6b4b0d3255bfef95601890afd80709", "no SHA-256 of a file", nil},
		"short":               {"SHA256 (a) = " + one[1:], "holds no SHA-256", nil},
		"no hex":              {"SHA256 (a) = " + one[1:] + "g", "holds no SHA-256", nil},
		"other comment":       {"# hello\n", "no size of a file", nil},
		"negative":            {"# a: -1 bytes\n", "no size of a file", nil},
		"padded":              {"# a: 01 bytes\n", "no size of a file", nil},
		"prose":               {"<html>404</html>", "no SHA-256 of a file", nil},
		"signed":              {"-----BEGIN PGP SIGNED MESSAGE-----", "no SHA-256 of a file", nil},
		"too long":            {strings.Repeat("\n", 2<<20), "more than a file of checksums has", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := image.Parse([]byte(tc.text))
			wants(t, err, tc.words)
			if diff := cmp.Diff(tc.want, got); tc.words == "" && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	got, err := image.Format([]image.Sum{{"Rocky-9.7-x86_64-dvd.iso", 11563106304, one}, {"Rocky-9-latest-x86_64-dvd.iso", 11563106304, one}})
	if err != nil {
		t.Fatal(err)
	}
	want := "# Rocky-9-latest-x86_64-dvd.iso: 11563106304 bytes\nSHA256 (Rocky-9-latest-x86_64-dvd.iso) = " + one + "\n" +
		"# Rocky-9.7-x86_64-dvd.iso: 11563106304 bytes\nSHA256 (Rocky-9.7-x86_64-dvd.iso) = " + one + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for words, bad := range map[string][]image.Sum{
		"no checksums":         {},
		"no name":              {{"a/b", 1, one}},
		"has no size or SHA-2": {{"a", -1, one}},
		"a has no size or":     {{"a", 1, "beef"}},
	} {
		_, err := image.Format(bad)
		wants(t, err, words)
	}
}

// What is written is read back by us and passes the tool that people check with.
func TestFormatChecks(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	w := newWorld(t)
	w.fill()
	if _, _, err := w.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	check := func(dir, file string) ([]byte, error) {
		c := exec.Command("sha256sum", "--check", "--strict", file)
		c.Dir = w.at(dir)
		return c.CombinedOutput()
	}
	files, err := filepath.Glob(w.at("*/*CHECKSUM"))
	if err != nil || len(files) != 8 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, f := range files {
		if out, err := check(filepath.Base(filepath.Dir(f)), filepath.Base(f)); err != nil {
			t.Errorf("%s: %v: %s", f, err, out)
		}
	}
	w.write("x86_64/Rocky-9.7-x86_64-dvd.iso", "dvd of x86_65")
	if out, err := check("x86_64", "CHECKSUM"); err == nil {
		t.Errorf("passes with other bytes: %s", out)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# a: 1 bytes\nSHA256 (a) = " + one + "\n"))
	f.Add([]byte(one + " *a\n"))
	f.Add([]byte("# : bytes\nSHA256 () = \n#  bytes"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := image.Parse(text)
		if err != nil || len(sums) == 0 {
			return
		}
		for i := range sums {
			if strings.ContainsAny(sums[i].Name, "/\\\n\x1b") || sums[i].Name == ".." {
				t.Fatalf("%q is a name", sums[i].Name)
			}
			sums[i].Size = max(sums[i].Size, 0)
		}
		again, err := image.Format(sums)
		if err != nil {
			t.Fatal(err)
		}
		back, err := image.Parse(again)
		if diff := cmp.Diff(sums, back); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}
