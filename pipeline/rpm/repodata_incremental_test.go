package rpm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline/rpm"
	"gantry/storage"
)

// pool is small packages in memory, each in two versions.
var pool = sync.OnceValue(func() (all [2][]rpm.PackageFile) {
	for i := range poolSize {
		for v := range 2 {
			p, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
				Name: fmt.Sprintf("package-%04d", i), Version: fmt.Sprint(v + 1), Release: "1", Arch: "noarch",
				Summary: strings.Repeat(fmt.Sprint("summary ", i), i%7),
			})
			if err != nil {
				panic(err)
			}
			p.AddFile(rpmpack.RPMFile{Name: fmt.Sprintf("/usr/bin/%d", i), Mode: 0o100755, Body: []byte{byte(v)}})
			p.AddCustomTag(1044, rpmpack.EntryString("x.src.rpm"))
			var b bytes.Buffer
			if err := p.Write(&b); err != nil {
				panic(err)
			}
			sum := sha256.Sum256(b.Bytes())
			f := storage.File{
				Path: "Packages/p/" + p.Name + "-" + p.Version + "-1.noarch.rpm", Size: int64(b.Len()), SHA256: hex.EncodeToString(sum[:]),
				Name: p.Name, Version: p.Version + "-1", Arch: "noarch",
			}
			all[v] = append(all[v], rpm.PackageFile{File: f, ModTime: time.Unix(1700000000, 0), Open: func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(b.Bytes())), nil
			}})
		}
	}
	return all
})

const poolSize = 300

// Metadata that copies what did not change is, byte for byte, the metadata that
// is made from nothing, whatever came, went or changed.
func TestIncrementalIsFull(t *testing.T) {
	const packages, rounds = poolSize, 10
	versions := pool()
	for _, c := range []config.Compression{config.Gzip, config.Zstd} {
		t.Run(string(c), func(t *testing.T) {
			for seed := range uint64(2) {
				r := rand.New(rand.NewPCG(seed, 0))
				state := make([]int, packages) // 0 absent, 1 and 2 in that version
				for i := range state {
					state[i] = r.IntN(3)
				}
				var before *rpm.PreviousRepodata
				reused := 0
				for round := range rounds {
					for range []int{0, 1, 3, 40}[round%4] {
						state[r.IntN(packages)] = r.IntN(3)
					}
					var pkgs []rpm.PackageFile
					for i, v := range state {
						if v > 0 {
							p := versions[v-1][i]
							if round > 5 {
								p.ModTime = p.ModTime.Add(time.Hour)
							}
							pkgs = append(pkgs, p)
						}
					}
					r.Shuffle(len(pkgs), func(i, j int) { pkgs[i], pkgs[j] = pkgs[j], pkgs[i] })
					o := rpm.RepodataOptions{Compression: c, Revision: int64(round)}
					full := write(t, t.TempDir(), pkgs, o)
					o.Previous = before
					dir := t.TempDir()
					got := write(t, dir, pkgs, o)
					if diff := cmp.Diff(full.Repomd, got.Repomd); diff != "" {
						t.Fatalf("seed %d round %d: incremental differs (-full +incremental):\n%s", seed, round, diff)
					}
					if !bytes.Equal(full.Index, got.Index) || got.Packages != len(pkgs) || got.Damaged || full.Reused != 0 {
						t.Fatalf("seed %d round %d: index, or %d of %d packages reused, damaged %v", seed, round, got.Reused, got.Packages, got.Damaged)
					}
					reused += got.Reused
					before = previous(dir, got)
				}
				if reused < packages {
					t.Errorf("seed %d: only %d packages copied in %d rounds", seed, reused, rounds)
				}
			}
		})
	}
}

// One package that changes costs the chunk it is in, not more.
func TestOneChangeRewritesOneChunk(t *testing.T) {
	versions := pool()
	dir := t.TempDir()
	o := rpm.RepodataOptions{Compression: config.Gzip}
	first := write(t, dir, versions[0], o)
	for _, at := range []int{0, 150, 299} {
		pkgs := append([]rpm.PackageFile{}, versions[0]...)
		pkgs[at] = versions[1][at]
		var opened atomic.Int64
		for i := range pkgs {
			open := pkgs[i].Open
			pkgs[i].Open = func() (io.ReadCloser, error) { opened.Add(1); return open() }
		}
		o.Previous = previous(dir, first)
		r := write(t, t.TempDir(), pkgs, o)
		if n := int(opened.Load()); n == 0 || n > 256 || n != len(pkgs)-r.Reused {
			t.Errorf("package %d changed: %d packages read, %d of %d copied", at, n, r.Reused, len(pkgs))
		}
	}
}

// Damage to the earlier metadata is noticed and healed.
func TestDamagedPreviousIsMadeAnew(t *testing.T) {
	pkgs := pool()[0][:200]
	for _, c := range []config.Compression{config.Gzip, config.Zstd} {
		o := rpm.RepodataOptions{Compression: c, Revision: 7}
		dir := t.TempDir()
		want := write(t, dir, pkgs, o)
		damage := map[string]func(name string, data []byte) error{
			"a changed byte": func(name string, data []byte) error {
				data[len(data)/2] ^= 1
				return os.WriteFile(name, data, 0o644)
			},
			"a cut":    func(name string, data []byte) error { return os.Truncate(name, int64(len(data)/2)) },
			"no bytes": func(name string, _ []byte) error { return os.Truncate(name, 0) },
		}
		for what, harm := range damage {
			for _, d := range want.Documents() {
				name := filepath.Join(dir, d.Href)
				data, err := os.ReadFile(name)
				if err == nil {
					err = harm(name, bytes.Clone(data))
				}
				if err != nil {
					t.Fatal(err)
				}
				o.Previous = previous(dir, want)
				got := write(t, t.TempDir(), pkgs, o)
				if diff := cmp.Diff(want.Repomd, got.Repomd); diff != "" || !got.Damaged {
					t.Errorf("%s, %s of %s: damaged %v, differs:\n%s", c, what, d.Href, got.Damaged, diff)
				}
				if err := os.WriteFile(name, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		for what, p := range map[string]*rpm.PreviousRepodata{
			"an index that is none":  {Index: []byte(`{"format":1,"compression":`), Open: previous(dir, want).Open},
			"an index of the future": {Index: bytes.Replace(want.Index, []byte(`"format":1`), []byte(`"format":9`), 1), Open: previous(dir, want).Open},
			"no file":                {Index: want.Index, Open: func(string) (*os.File, error) { return nil, errors.New("gone") }},
			"odd numbers":            {Index: bytes.ReplaceAll(want.Index, []byte(`"size":[`), []byte(`"size":[-`)), Open: previous(dir, want).Open},
			"huge numbers":           {Index: bytes.ReplaceAll(want.Index, []byte(`"open":[`), []byte(`"open":[99999999999`)), Open: previous(dir, want).Open},
			"no states":              {Index: bytes.ReplaceAll(want.Index, []byte(`"state":["`), []byte(`"state":["AAAA`)), Open: previous(dir, want).Open},
		} {
			o.Previous = p
			if diff := cmp.Diff(want.Repomd, write(t, t.TempDir(), pkgs, o).Repomd); diff != "" {
				t.Errorf("%s, %s: differs:\n%s", c, what, diff)
			}
		}
	}
}

func TestWhatCannotBeDescribedIsRefused(t *testing.T) {
	good := pool()[0][:3]
	change := func(f func(p *rpm.PackageFile)) []rpm.PackageFile {
		pkgs := append([]rpm.PackageFile{}, good...)
		f(&pkgs[1])
		return pkgs
	}
	gz := rpm.RepodataOptions{Compression: config.Gzip}
	for _, test := range []struct {
		name string
		pkgs []rpm.PackageFile
		o    rpm.RepodataOptions
		want string
	}{
		{"no digest", change(func(p *rpm.PackageFile) { p.SHA256 = "" }), gz, "not a SHA-256"},
		{"upper case", change(func(p *rpm.PackageFile) { p.SHA256 = strings.Repeat("A", 64) }), gz, "not a SHA-256"},
		{"no name", change(func(p *rpm.PackageFile) { p.Name = "" }), gz, "missing"},
		{"no size", change(func(p *rpm.PackageFile) { p.Size = 0 }), gz, "size is 0"},
		{"another name", change(func(p *rpm.PackageFile) { p.Name = "other" }), gz, "and not other"},
		{"another version", change(func(p *rpm.PackageFile) { p.Version = "1:1-1" }), gz, "and not package-0001 1:1-1"},
		{"another arch", change(func(p *rpm.PackageFile) { p.Arch = "s390x" }), gz, "s390x"},
		{"up", change(func(p *rpm.PackageFile) { p.Path = "../x.rpm" }), gz, "not a plain path"},
		{"escape", change(func(p *rpm.PackageFile) { p.Path = "a%2e.rpm" }), gz, "not a plain path"},
		{"newline", change(func(p *rpm.PackageFile) { p.Path = "a\nb.rpm" }), gz, "character"},
		{"twice", append(change(func(*rpm.PackageFile) {}), good[0]), gz, "twice"},
		{"gone", change(func(p *rpm.PackageFile) {
			p.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist }
		}), gz, "file does not exist"},
		{"no package", change(func(p *rpm.PackageFile) {
			p.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("text")), nil }
		}), gz, "package-0001"},
		{"no compression", good, rpm.RepodataOptions{}, "compression"},
		{"no packages", nil, gz, "no packages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := [3]io.Writer{io.Discard, io.Discard, io.Discard}
			if _, err := rpm.WriteRepodata(context.Background(), w, test.pkgs, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	full := errors.New("disk full")
	if _, err := rpm.WriteRepodata(context.Background(), [3]io.Writer{io.Discard, failing{full}, io.Discard}, good, gz); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := rpm.WriteRepodata(ctx, [3]io.Writer{io.Discard, io.Discard, io.Discard}, good, gz); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
