package rpm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"
	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/rpm"
	"gantry/pipeline/sign"
)

// keys are those that packages are signed with in tests.
type keys struct{ demo *sign.Key }

var demoPrivate = sync.OnceValues(func() ([]byte, error) {
	private, _, err := sign.Generate("Gantry Demo", "demo@example.com", 2048, 0, time.Now())
	return private, err
})

func newKeys(t testing.TB) keys {
	t.Helper()
	private, err := demoPrivate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.Load(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys{key}
}

// gpgKey makes a key with gpg, with a signing subkey if named, in a home that it
// returns.
func gpgKey(t testing.TB, algorithm, subkey string) (key *sign.Key, home string) {
	t.Helper()
	// The agent's socket has a short name only below a short directory.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) []byte {
		t.Helper()
		c := exec.Command(client(t, "gpg"), append([]string{"--homedir", home, "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, stderr.Bytes())
		}
		return out
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	usage := "sign"
	if subkey != "" {
		usage = "cert"
	}
	gpg("--quick-generate-key", "test <test@example.com>", algorithm, usage, "1y")
	if subkey != "" {
		for line := range strings.Lines(string(gpg("--with-colons", "--list-keys"))) {
			if f := strings.Split(line, ":"); f[0] == "fpr" {
				gpg("--quick-add-key", f[9], subkey, "sign", "1y")
				break
			}
		}
	}
	if key, err = sign.Load(gpg("--armor", "--export-secret-keys"), nil); err != nil {
		t.Fatal(err)
	}
	return key, home
}

// rpmKeys imports a key into a database of its own and returns a check of
// packages as `rpmkeys -K` makes it.
func rpmKeys(t testing.TB, key *sign.Key) func(data []byte) error {
	t.Helper()
	dir := t.TempDir()
	public := filepath.Join(dir, "public.asc")
	if err := os.WriteFile(public, key.Public().Armored(), 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "db")
	run(t, "rpmkeys", "--dbpath", db, "--import", public)
	return func(data []byte) error {
		name := filepath.Join(dir, "package.rpm")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(client(t, "rpmkeys"), "--dbpath", db, "-K", name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if !strings.Contains(string(out), "digests signatures OK") {
			return fmt.Errorf("not signed: %s", out)
		}
		return nil
	}
}

// packages are of each kind of payload, and those of the corpus that are good.
func packages(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, compressor := range []string{"gzip", "xz", "zstd"} {
		all[compressor] = pack(t, rpmpack.RPMMetaData{Compressor: compressor, Epoch: 1})
	}
	if dir := os.Getenv("GANTRY_CORPUS"); dir != "" {
		for name, v := range verdicts {
			if v.want != "" {
				continue
			}
			data, err := os.ReadFile(corpus(t, name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] = data
		}
	}
	return all
}

func TestResignedPackagesAreTakenByRPM(t *testing.T) {
	rsa := newKeys(t).demo
	curve, _ := gpgKey(t, "ed25519", "")
	subkey, _ := gpgKey(t, "rsa2048", "rsa2048")
	curveSubkey, _ := gpgKey(t, "ed25519", "ed25519")
	for _, tt := range []struct {
		name string
		key  *sign.Key
		mode config.Signatures
	}{
		{"rsa", rsa, config.SignHeader},
		{"rsa both", rsa, config.SignBoth},
		{"ed25519", curve, config.SignHeader},
		{"ed25519 both", curve, config.SignBoth},
		{"gpg's subkey", subkey, config.SignBoth},
		{"gpg's curve subkey", curveSubkey, config.SignBoth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			takes := rpmKeys(t, tt.key)
			for name, source := range packages(t) {
				before, err := rpm.Check(bytes.NewReader(source), nil, time.Now())
				if err != nil {
					t.Fatal(name, err)
				}
				signed := resign(t, source, tt.key, tt.mode, before)
				if err := takes(signed); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				// Once more, by another key and back.
				facts, err := rpm.Check(bytes.NewReader(signed), tt.key.Public(), time.Now())
				if err != nil {
					t.Fatal(name, err)
				}
				again := resign(t, resign(t, signed, rsa, config.SignBoth, facts), tt.key, tt.mode, nil)
				if err := takes(again); err != nil {
					t.Errorf("%s, signed again: %v", name, err)
				}
				if len(again) != len(signed) {
					t.Errorf("%s grows from %d to %d bytes", name, len(signed), len(again))
				}
			}
		})
	}
}

// resign signs a package and checks all that it says of it.
func resign(t *testing.T, source []byte, key *sign.Key, mode config.Signatures, before *rpm.Facts) []byte {
	t.Helper()
	var out bytes.Buffer
	s, err := rpm.Resign(&out, bytes.NewReader(source), key, mode, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	after, err := rpm.Check(bytes.NewReader(out.Bytes()), key.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if s.HeaderStart != after.Header.Start || s.HeaderEnd != after.Header.End || s.NEVRA != after.NEVRA || !s.BuildTime.Equal(after.BuildTime) || s.Source != after.Source {
		t.Errorf("%+v is said of %+v", s, after)
	}
	if before != nil {
		if s.SourceSHA256 != before.SHA256 || s.SourceSize != before.Size || after.NEVRA != before.NEVRA {
			t.Errorf("%+v is said of the source %+v", s, before)
		}
		if !bytes.Equal(out.Bytes()[after.Header.Start:], source[before.Header.Start:]) {
			t.Error("header or payload are changed")
		}
	}
	return out.Bytes()
}

// What is signed has the tags that rpmsign writes, with their types and counts,
// and no other, but for the space that is reserved in the signature header.
func TestTagsAreThoseOfRPMSign(t *testing.T) {
	client(t, "rpmsign")
	name := filepath.Join(t.TempDir(), "package.rpm")
	for _, algorithm := range []string{"rsa2048", "ed25519"} {
		key, home := gpgKey(t, algorithm, "")
		for mode, more := range map[config.Signatures][]string{config.SignHeader: nil, config.SignBoth: {"--rpmv3"}} {
			for what, source := range packages(t) {
				if err := os.WriteFile(name, source, 0o600); err != nil {
					t.Fatal(err)
				}
				run(t, "rpmsign", append(more, "--resign", "--define", "__gpg "+client(t, "gpg"), "--define", "_gpg_path "+home, "--define", "_gpg_name "+key.Fingerprint(), name)...)
				theirs, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(signatureTags(theirs), signatureTags(resign(t, source, key, mode, nil))); diff != "" {
					t.Errorf("%s %s %s (-rpmsign +ours):\n%s", algorithm, mode, what, diff)
				}
			}
		}
	}
}

// signatureTags are tags, types and counts of a package's signature header, in
// its order, without the reserved space. Binary values have a length that may
// differ by the leading zeros of a signature.
func signatureTags(b []byte) (all [][3]uint32) {
	const lead, binaryType, reserved, reservedLater = 96, 7, 1008, 999
	for i := range binary.BigEndian.Uint32(b[lead+8:]) {
		e := b[lead+16+16*i:]
		if tag := binary.BigEndian.Uint32(e); tag != reserved && tag != reservedLater {
			kind, n := binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[12:])
			if kind == binaryType {
				n = 0
			}
			all = append(all, [3]uint32{tag, kind, n})
		}
	}
	return all
}

// What rpm refuses we refuse, and both refuse any change behind the signature
// header. (In lead and signature header rpm looks at some bytes only.)
func TestChangedSignedPackagesAreRefused(t *testing.T) {
	key := newKeys(t).demo
	takes := rpmKeys(t, key)
	for _, mode := range []config.Signatures{config.SignHeader, config.SignBoth} {
		facts, err := rpm.Check(bytes.NewReader(pack(t, rpmpack.RPMMetaData{})), nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		good := resign(t, pack(t, rpmpack.RPMMetaData{}), key, mode, facts)
		h, err := rpm.ReadHeader(bytes.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			_, ours := rpm.Check(bytes.NewReader(bad), key.Public(), time.Now())
			if ours == nil && i >= int(h.Start) {
				t.Errorf("%s: byte %d is changed and passes", mode, i)
			}
			// rpmkeys takes 10 ms for each: ask it of a sample, and where we pass.
			if ours != nil && i%29 != 0 {
				continue
			}
			theirs := takes(bad)
			if theirs == nil && i >= int(h.Start) {
				t.Errorf("%s: byte %d is changed and rpm takes it", mode, i)
			}
			if theirs != nil && ours == nil {
				t.Errorf("%s: byte %d passes, rpm says %v", mode, i, theirs)
			}
		}
	}
}

func TestSignedByAnother(t *testing.T) {
	key := newKeys(t).demo
	private, _, err := sign.Generate("Other", "other@example.com", 2048, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := sign.Load(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := pack(t, rpmpack.RPMMetaData{})
	signed := resign(t, plain, key, config.SignHeader, nil)
	for name, data := range map[string][]byte{"unsigned": plain, "by another": signed} {
		if _, err := rpm.Check(bytes.NewReader(data), other.Public(), time.Now()); err == nil {
			t.Errorf("the package %s passes", name)
		}
	}
}

// cutWriter is a disk with so much space.
type cutWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *cutWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestResignFails(t *testing.T) {
	key := newKeys(t).demo
	data := pack(t, rpmpack.RPMMetaData{})
	if _, err := rpm.Resign(&cutWriter{len(data) / 2}, bytes.NewReader(data), key, config.SignHeader, time.Now()); !errors.Is(err, errFull) {
		t.Errorf("on a full disk: %v", err)
	}
	if _, err := rpm.Resign(&bytes.Buffer{}, bytes.NewBuffer(data), key, config.SignBoth, time.Now()); err == nil {
		t.Error("it signs the payload of what cannot be read twice")
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		for _, mode := range []config.Signatures{config.SignHeader, config.SignBoth} {
			_, checked := rpm.Check(bytes.NewReader(bad), nil, time.Now())
			_, err := rpm.Resign(&bytes.Buffer{}, bytes.NewReader(bad), key, mode, time.Now())
			if (checked == nil) != (err == nil) {
				t.Fatalf("byte %d: check says %v, resign %v", i, checked, err)
			}
		}
	}
}

// BenchmarkResign compares packages per second with rpmsign's, which signs with
// the same RSA-4096 key, both on all processors and from disk to disk. ratio is
// our time by theirs.
func BenchmarkResign(b *testing.B) {
	dir := os.Getenv("GANTRY_BENCH")
	if dir == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	const count, workers = 200, 2
	var names []string
	err := filepath.WalkDir(filepath.Join(dir, "rpms-2k"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".rpm") && len(names) < count {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < count {
		b.Fatalf("%d packages, %v", len(names), err)
	}
	client(b, "rpmsign")
	key, home := gpgKey(b, "rsa4096", "")
	out := b.TempDir()
	copies := make([]string, len(names))
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		copies[i] = filepath.Join(out, filepath.Base(name))
		if err := os.WriteFile(copies[i], data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	begin := time.Now()
	g, ctx := errgroup.WithContext(context.Background())
	for i := range workers {
		g.Go(func() error {
			mine := copies[i*count/workers : (i+1)*count/workers]
			c := exec.CommandContext(ctx, "rpmsign", append([]string{"--addsign", "--define", "_gpg_name test@example.com", "--define", "__gpg " + client(b, "gpg")}, mine...)...)
			c.Env = append(os.Environ(), "GNUPGHOME="+home)
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	theirs := time.Since(begin) / count

	one := func(name string) error {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		f, err := os.Create(filepath.Join(out, filepath.Base(name)))
		if err != nil {
			return err
		}
		if _, err := rpm.Resign(f, in, key, config.SignHeader, time.Now()); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
	b.ReportAllocs()
	var ours time.Duration
	packages := 0
	for b.Loop() {
		begin := time.Now()
		g := errgroup.Group{}
		g.SetLimit(workers)
		for _, name := range names {
			g.Go(func() error { return one(name) })
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(begin)
		packages += len(names)
	}
	ours /= time.Duration(packages)
	b.ReportMetric(ours.Seconds()*1e3, "ms/package")
	b.ReportMetric(theirs.Seconds()*1e3, "rpmsign-ms/package")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}
