package deb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/deb"
	"gantry/storage"
)

// ftparchive asks apt-ftparchive for SHA-256 alone.
var ftparchive = []string{"-o", "APT::FTPArchive::MD5=false", "-o", "APT::FTPArchive::SHA1=false", "-o", "APT::FTPArchive::SHA512=false"}

// fieldsOf reads an index into fields by package file, without a parser of ours.
// A value counts without the space at the ends of its lines.
func fieldsOf(index string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for stanza := range strings.SplitSeq(index, "\n\n") {
		fields := map[string]string{}
		name := ""
		for line := range strings.Lines(stanza) {
			line = strings.TrimRight(line, " \t\n")
			if line == "" {
				continue
			}
			if strings.TrimLeft(line, " \t") != line {
				fields[name] += "\n" + line
				continue
			}
			var value string
			name, value, _ = strings.Cut(line, ":")
			name = strings.ToLower(name)
			fields[name] = strings.TrimLeft(value, " \t")
		}
		if path := strings.TrimPrefix(fields["filename"], "./"); path != "" {
			fields["filename"] = path
			all[path] = fields
		}
	}
	return all
}

// debsIn lists the packages below a directory with their digests.
func debsIn(t testing.TB, dir string) (files []storage.File) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".deb") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		p, err := deb.ReadPackage(f)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		at, err := filepath.Rel(dir, path)
		files = append(files, storage.File{Path: at, Size: p.Size, SHA256: p.SHA256, Name: p.Name, Version: p.Version, Arch: p.Arch})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	deb.Order(files)
	return files
}

// agree compares the index of the packages below a directory with what
// apt-ftparchive makes of them, stanza by stanza, and returns how many there are.
func agree(t *testing.T, dir string) int {
	t.Helper()
	stanzas, _, err := deb.Describe(t.Context(), debsIn(t, dir), nil, func(f storage.File) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, f.Path)) })
	if err != nil {
		t.Fatal(err)
	}
	var index bytes.Buffer
	if err := deb.WriteIndex(&index, stanzas); err != nil {
		t.Fatal(err)
	}
	return same(t, dir, ".", index.String())
}

// same compares an index with what apt-ftparchive makes of the packages in a part
// of a directory, and returns how many there are.
func same(t *testing.T, dir, part, index string) int {
	t.Helper()
	need(t, "apt-ftparchive")
	c := exec.Command("apt-ftparchive", append(slices.Clone(ftparchive), "packages", part)...)
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, got := fieldsOf(string(out)), fieldsOf(index)
	if diff := ""; !reflect.DeepEqual(want, got) {
		if diff = cmp.Diff(want, got); len(diff) > 4000 {
			diff = diff[:4000]
		}
		t.Errorf("apt-ftparchive says otherwise (-it +we):\n%s", diff)
	}
	read := 0
	if err := deb.ReadIndex(strings.NewReader(index), func(deb.Ref) error { read++; return nil }); err != nil || read != len(got) {
		t.Errorf("read back %d of %d: %v", read, len(got), err)
	}
	return len(got)
}

// TestAgreesOnMade compares packages with odd control files.
func TestAgreesOnMade(t *testing.T) {
	dir := t.TempDir()
	for name, control := range map[string]string{
		"plain":    controlText,
		"spaces":   strings.Replace(controlText, "Version: 1", "Version:   1", 1),
		"smuggled": controlText + "Filename: evil\nSize: 1\nSHA256: 00\nStatus: install ok installed\n",
		"case":     strings.Replace(controlText, "Depends", "dePends", 1) + "Priority: optional\nSection: utils\n",
		"latin":    strings.Replace(controlText, "A Person", "\xc4 Person", 1),
		"blank":    controlText + "\n\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".deb"), debOf(t, ".gz", control), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n := agree(t, dir); n != 6 {
		t.Errorf("compared %d packages", n)
	}
}

// TestAgreesOnBenchmark compares the 2,000 packages that benchmarks use.
func TestAgreesOnBenchmark(t *testing.T) {
	t.Logf("%d packages", agree(t, benchData(t, "debs-2k")))
}

func benchData(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("GANTRY_BENCH")
	if root == "" {
		t.Skip("GANTRY_BENCH names no directory with " + name)
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAgreesOnDebian compares packages of Debian.
func TestAgreesOnDebian(t *testing.T) {
	t.Logf("%d packages", agree(t, debianPackages(t)))
}

// BenchmarkIndex makes Packages of 2,000 packages, as apt-ftparchive does with
// SHA-256 alone, and with one changed, as it does with a database of the rest.
func BenchmarkIndex(b *testing.B) {
	dir := benchData(b, "debs-2k")
	need(b, "apt-ftparchive")
	files := debsIn(b, dir)
	out := filepath.Join(b.TempDir(), "Packages")
	make := func(b *testing.B, known deb.Stanzas) {
		for _, f := range files {
			if st, err := os.Stat(filepath.Join(dir, f.Path)); err != nil || st.Size() != f.Size {
				b.Fatal(f.Path, err)
			}
		}
		stanzas, _, err := deb.Describe(b.Context(), files, known, func(f storage.File) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, f.Path)) })
		if err != nil {
			b.Fatal(err)
		}
		w, err := os.Create(out)
		if err != nil {
			b.Fatal(err)
		}
		if err := deb.WriteIndex(w, stanzas); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			make(b, nil)
		}
	})
	make(b, nil)
	index, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	was := filepath.Join(b.TempDir(), "Packages")
	changed := bytes.Replace(index, []byte("SHA256: "+files[7].SHA256), []byte("SHA256: "+strings.Repeat("0", 64)), 1)
	if err := os.WriteFile(was, changed, 0o644); err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(changed)
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			before, err := os.ReadFile(was)
			if err != nil {
				b.Fatal(err)
			}
			if sum := sha256.Sum256(before); hex.EncodeToString(sum[:]) != hex.EncodeToString(digest[:]) {
				b.Fatal("changed")
			}
			known := deb.Stanzas{}
			known.AddIndex(before)
			make(b, known)
		}
	})
	if again, err := os.ReadFile(out); err != nil || !bytes.Equal(again, index) {
		b.Errorf("another index with one changed: %v", err)
	}
	run := func(b *testing.B, args ...string) {
		for b.Loop() {
			w, err := os.Create(out)
			if err != nil {
				b.Fatal(err)
			}
			c := exec.Command("apt-ftparchive", append(slices.Clone(ftparchive), args...)...)
			c.Dir, c.Stdout = dir, w
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
			w.Close()
		}
	}
	b.Run("all/apt-ftparchive", func(b *testing.B) { run(b, "packages", "pool") })
	db := filepath.Join(b.TempDir(), "db")
	c := exec.Command("apt-ftparchive", append(slices.Clone(ftparchive), "--db", db, "packages", "pool")...)
	c.Dir = dir
	if _, err := c.Output(); err != nil {
		b.Fatal(err)
	}
	b.Run("one/apt-ftparchive", func(b *testing.B) { run(b, "--db", db, "packages", "pool") })
}
