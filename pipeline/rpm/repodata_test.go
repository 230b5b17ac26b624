package rpm_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gantry/config"
	"gantry/pipeline/rpm"
	"gantry/storage"
)

// repoOf describes the packages below dir.
func repoOf(t testing.TB, dir string) []rpm.PackageFile {
	t.Helper()
	pkgs, refused := readable(t, dir)
	if refused != nil || len(pkgs) == 0 {
		t.Fatalf("%d packages in %s, and %v", len(pkgs), dir, refused)
	}
	return pkgs
}

// readable describes the packages below dir that can be read, and says why the
// others cannot.
func readable(t testing.TB, dir string) (pkgs []rpm.PackageFile, refused error) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".rpm") {
			return err
		}
		if p, err := packageFile(dir, name); err == nil {
			pkgs = append(pkgs, p)
		} else {
			refused = errors.Join(refused, fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pkgs, refused
}

// packageFile reads and hashes one package.
func packageFile(dir, name string) (rpm.PackageFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return rpm.PackageFile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return rpm.PackageFile{}, err
	}
	sum := sha256.New()
	h, err := rpm.ReadHeader(io.TeeReader(f, sum))
	if err != nil {
		return rpm.PackageFile{}, err
	}
	if _, err := io.Copy(sum, f); err != nil {
		return rpm.PackageFile{}, err
	}
	n, err := h.NEVRA()
	if err != nil {
		return rpm.PackageFile{}, err
	}
	href, err := filepath.Rel(dir, name)
	if err != nil {
		return rpm.PackageFile{}, err
	}
	return rpm.PackageFile{
		File: storage.File{
			Path: filepath.ToSlash(href), Size: info.Size(), SHA256: hex.EncodeToString(sum.Sum(nil)),
			Name: n.Name, Version: n.EVR(), Arch: n.Arch,
		},
		ModTime: info.ModTime(),
		Open:    func() (io.ReadCloser, error) { return os.Open(name) },
	}, nil
}

// write writes the metadata of packages into dir, as a client expects it.
func write(t testing.TB, dir string, pkgs []rpm.PackageFile, o rpm.RepodataOptions) *rpm.Repodata {
	t.Helper()
	folder := filepath.Join(dir, "repodata")
	err := os.MkdirAll(folder, 0o755)
	var files [3]*os.File
	var docs [3]io.Writer
	for i := range files {
		var e error
		files[i], e = os.CreateTemp(folder, ".new")
		docs[i], err = files[i], errors.Join(err, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := rpm.WriteRepodata(context.Background(), docs, pkgs, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range r.Documents() {
		err = errors.Join(err, files[i].Close(), os.Rename(files[i].Name(), filepath.Join(dir, d.Href)))
	}
	if err := errors.Join(err, os.WriteFile(filepath.Join(folder, "repomd.xml"), r.Encode(), 0o644)); err != nil {
		t.Fatal(err)
	}
	return r
}

// previous is the metadata that write left in dir.
func previous(dir string, r *rpm.Repodata) *rpm.PreviousRepodata {
	return &rpm.PreviousRepodata{Index: r.Index, Open: func(path string) (*os.File, error) {
		return os.Open(filepath.Join(dir, path))
	}}
}

// document reads one document of the metadata in dir.
func document(t testing.TB, dir, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+name+".xml.*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d files, %v", name, len(found), err)
	}
	f, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader
	if strings.HasSuffix(found[0], ".zst") {
		r, err = zstd.NewReader(f)
	} else {
		r, err = gzip.NewReader(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var entryID = regexp.MustCompile(`(?:pkgid="YES">|pkgid=")([0-9a-f]{64})`)

// entries is a document's packages by pkgid; what stands round them has the key "".
func entries(t testing.TB, doc string) map[string]string {
	t.Helper()
	const start, end = "<package ", "</package>\n"
	all := map[string]string{}
	for {
		i := strings.Index(doc, start)
		if i < 0 {
			all[""] += doc
			return all
		}
		j := strings.Index(doc, end) + len(end)
		entry := doc[i:j]
		id := entryID.FindStringSubmatch(entry)
		if id == nil {
			t.Fatalf("no pkgid in %q", entry)
		}
		all[""] += doc[:i]
		all[id[1]] = entry
		doc = doc[j:]
	}
}

// client is the path of a program that stands for the world's clients.
func client(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

// run runs a client and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(client(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// sameAsCreaterepo compares every entry of all documents with createrepo_c's.
func sameAsCreaterepo(t *testing.T, dir string, pkgs []rpm.PackageFile) {
	t.Helper()
	client(t, "createrepo_c")
	list := filepath.Join(t.TempDir(), "list")
	var names strings.Builder
	for _, p := range pkgs {
		names.WriteString(p.Path + "\n")
	}
	if err := os.WriteFile(list, []byte(names.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	theirs, ours := t.TempDir(), t.TempDir()
	run(t, "createrepo_c", "-q", "--no-database", "--general-compress-type=gz", "--pkglist", list, "-o", theirs, dir)
	write(t, ours, pkgs, rpm.RepodataOptions{Compression: config.Gzip, Revision: 1})
	for _, doc := range []string{"primary", "filelists", "other"} {
		want, got := entries(t, document(t, theirs, doc)), entries(t, document(t, ours, doc))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs from createrepo_c's (-theirs +ours):\n%s", doc, diff)
		}
	}
}

func TestCorpusIsDescribedAsByCreaterepo(t *testing.T) {
	dir := os.Getenv("GANTRY_CORPUS")
	if dir == "" {
		t.Skip("GANTRY_CORPUS is not set")
	}
	dir = filepath.Join(dir, "rpm")
	pkgs, refused := readable(t, dir)
	if len(pkgs) < 20 {
		t.Fatalf("%d packages, and %v", len(pkgs), refused)
	}
	sameAsCreaterepo(t, dir, pkgs)
}
