package deb

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// client reads a suite as apt does with by-hash, and believes nothing that it did
// not check. It knows what it should find.
type client struct {
	outlet
	target *config.Target
	want   *repository.Snapshot
	dists  string // where the pointer leads to, relative to the archive
	public *sign.Public
	at     time.Time
	sample int // packages to read whole; negative for all
	p      *pipeline.Progress
}

// Read reads a suite as clients do that follow a pointer.
func (trade) Read(ctx context.Context, w *repository.World, s *repository.Snapshot, how repository.Reading, p *pipeline.Progress) (pipeline.Evidence, error) {
	public, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return nil, err
	}
	out, err := openOutlet(w, how.Via)
	if err != nil {
		return nil, err
	}
	defer out.close()
	c := client{outlet: out, target: w.Target, want: s, dists: dists(w.Target, how.Pointer), public: public, at: w.Env.Now(), sample: how.Sample, p: p}
	release, err := c.release(ctx)
	if err != nil {
		return nil, err
	}
	packages, err := c.indexes(ctx, release)
	if err != nil {
		return nil, err
	}
	read, bytes, err := c.packages(ctx, packages)
	if err != nil {
		return nil, err
	}
	address := out.address(c.dists)
	p.Logf("read as a client: %s of %s, %d packages, %d of them whole", address, release.Date.Format(dateForm), len(packages), read)
	ev := pipeline.Evidence{
		"snapshot": s.ID,
		"address":  address,
		"revision": strconv.FormatInt(release.Date.Unix(), 10),
		"packages": strconv.Itoa(len(packages)),
		"read":     strconv.Itoa(read),
		"bytes":    strconv.FormatInt(bytes, 10),
		"key":      public.Fingerprint(),
	}
	if from, ok := out.(*online); ok {
		if err := from.web.Guarded(ctx, from.address(c.dists+"/"+inReleasePath), ev); err != nil {
			return nil, fmt.Errorf("%s: %w", inReleasePath, err)
		}
	}
	if !release.ValidUntil.IsZero() {
		ev["valid until"] = release.ValidUntil.Format(dateForm)
		if pipeline.Expiring(release.Date, release.ValidUntil, c.at) {
			ev["warning"] = fmt.Sprintf("clients accept it only until %s: gantry refresh %s", release.ValidUntil.Format(dateForm), w.Target.Name)
			p.Logf("%s", ev["warning"])
		}
	}
	return ev, nil
}

// stale says why clients may get what was served before.
func stale(err error) error {
	return config.Hint(err, "a cache between here and the server may hold the one before")
}

// whole reads a file that has no more than so many bytes.
func (c *client) whole(ctx context.Context, file string, most int64, fresh bool) ([]byte, error) {
	r, _, err := c.open(ctx, file, fresh)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	defer r.Close()
	b, err := atMost(r, most)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

// release reads Release after its signatures were verified.
func (c *client) release(ctx context.Context) (*Release, error) {
	c.p.Phase("release", pipeline.Files, 3)
	files := map[string][]byte{}
	for _, name := range []string{inReleasePath, releasePath, signaturePath} {
		b, err := c.whole(ctx, c.dists+"/"+name, maxRelease, true)
		if err != nil {
			return nil, err
		}
		files[name] = b
		c.p.Add(1)
	}
	r, err := readSigned(files, c.public, c.at)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Date.Unix() != c.want.Revision:
		return nil, stale(fmt.Errorf("%s: its Date is %s, and that of snapshot %s is wanted", inReleasePath, r.Date.Format(dateForm), c.want.ID))
	case r.Suite != string(c.target.Suite):
		return nil, fmt.Errorf("%s: it is of the suite %q", inReleasePath, clip(r.Suite))
	case !r.ValidUntil.IsZero() && !r.ValidUntil.After(c.at):
		return nil, config.Hint(fmt.Errorf("%s: clients refuse it since %s", inReleasePath, r.ValidUntil.Format(dateForm)),
			"publish it anew: gantry refresh "+string(c.target.Name))
	}
	return r, nil
}

// indexes reads the indexes of every architecture and returns the packages:
// exactly those of the manifest, in each index that they belong in. Where every
// package is read, so is every form of an index; else the smallest.
func (c *client) indexes(ctx context.Context, r *Release) ([]Ref, error) {
	c.p.Phase("indexes", pipeline.Bytes, 0)
	missing := map[string]storage.File{}
	for _, f := range c.want.Pool {
		missing[f.Path] = f
	}
	pool := map[string]storage.File{}
	for k, f := range missing {
		pool[k] = f
	}
	var all []Ref
	for _, arch := range architectures(c.target) {
		for i, form := range compressions(c.target.Compress) {
			name := indexDir(c.target, arch) + "/Packages"
			if i > 0 && c.sample >= 0 {
				break
			}
			found := 0
			err := c.index(ctx, r, name, form, func(ref Ref) error {
				f, ok := pool[ref.Path]
				if !ok || f.SHA256 != ref.SHA256 || f.Size != ref.Size || f.Name != ref.Name || f.Version != ref.Version || f.Arch != ref.Arch {
					return fmt.Errorf("it names %s with the SHA-256 %s, which the snapshot does not have", ref.Path, ref.SHA256)
				}
				if ref.Arch != "all" && ref.Arch != arch {
					return fmt.Errorf("it names %s, which is for another architecture", ref.Path)
				}
				found++
				if _, first := missing[ref.Path]; first {
					delete(missing, ref.Path)
					all = append(all, ref)
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", name, form.extension, err)
			}
			if want := count(c.want.Pool, arch); found != want {
				return nil, fmt.Errorf("%s%s: it names %d packages, and the snapshot has %d", name, form.extension, found, want)
			}
		}
	}
	for path := range missing {
		return nil, fmt.Errorf("no index names %s: %s of the snapshot", path, repository.Count(len(missing), "package is missing", "packages are missing"))
	}
	if len(all) == 0 {
		return nil, errors.New("its indexes name no package")
	}
	return all, nil
}

// count is how many packages an index has.
func count(files []storage.File, arch string) (n int) {
	for _, f := range files {
		if f.Arch == arch || f.Arch == "all" {
			n++
		}
	}
	return n
}

// index reads one form of an index, by the digest that Release has of it, and
// compares it with what Release says of the plain one.
func (c *client) index(ctx context.Context, r *Release, name string, form compression, use func(Ref) error) error {
	packed, ok := r.find(name + form.extension)
	open, and := r.find(name)
	if !ok || !and {
		return errors.New("Release does not name it")
	}
	file := c.dists + "/" + path.Dir(name) + "/by-hash/SHA256/" + packed.SHA256
	in, size, err := c.open(ctx, file, false)
	if err != nil {
		return err
	}
	defer in.Close()
	if size >= 0 && size != packed.Size {
		return fmt.Errorf("it has %d bytes, Release says %d", size, packed.Size)
	}
	// A compressed one may ask for any amount of memory: it is unpacked when it has
	// its digest.
	var source io.Reader = io.LimitReader(in, packed.Size+1)
	if form.extension != "" {
		b, err := io.ReadAll(source)
		if err != nil {
			return err
		}
		if err := packed.is(sha256.Sum256(b)); err != nil {
			return err
		}
		source = bytes.NewReader(b)
	}
	unpacked, err := form.unpack(source)
	if err != nil {
		return err
	}
	defer unpacked.Close()
	// What use is told counts only if all of it has its digest.
	sum := sha256.New()
	if err := ReadIndex(io.TeeReader(io.LimitReader(unpacked, open.Size+1), sum), use); err != nil {
		return err
	}
	if err := open.is([sha256.Size]byte(sum.Sum(nil))); err != nil {
		return err
	}
	c.p.Add(packed.Size)
	return nil
}

// is compares a digest with the one that Release has of a file.
func (f IndexFile) is(sum [sha256.Size]byte) error {
	if is := hex.EncodeToString(sum[:]); is != f.SHA256 {
		return fmt.Errorf("its SHA-256 is %s, Release says %s", is, f.SHA256)
	}
	return nil
}

// packages reads packages, several at a time: all, or so many of them; of the
// others it looks that they are there with their size, where that costs nothing.
func (c *client) packages(ctx context.Context, all []Ref) (read int, bytes int64, err error) {
	sample, rest := all, []Ref(nil)
	if c.sample >= 0 && c.sample < len(all) {
		// Digests are as good as random, and the same in every run.
		all = slices.Clone(all)
		slices.SortFunc(all, func(a, b Ref) int { return cmp.Compare(a.SHA256, b.SHA256) })
		sample, rest = all[:c.sample], all[c.sample:]
	}
	for _, p := range sample {
		bytes += p.Size
	}
	c.p.Phase("packages", pipeline.Bytes, bytes)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.workers())
	one := func(p Ref, whole bool) {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.p.File(path.Base(p.Path))
			if err := c.one(ctx, p, whole); err != nil {
				return fmt.Errorf("%s: %w", p.Path, err)
			}
			return nil
		})
	}
	for _, p := range sample {
		one(p, true)
	}
	if c.near() {
		for _, p := range rest {
			one(p, false)
		}
	}
	return len(sample), bytes, g.Wait()
}

// one looks at a package: that it is there, and, where it is read, that it is
// what its index says, field by field.
func (c *client) one(ctx context.Context, p Ref, read bool) error {
	r, size, err := c.open(ctx, p.Path, false)
	if err != nil {
		return err
	}
	defer r.Close()
	if size >= 0 && size != p.Size {
		return fmt.Errorf("it has %d bytes, its index says %d", size, p.Size)
	}
	if !read {
		return nil
	}
	is, err := ReadPackage(io.LimitReader(reader{ctx, r, c.p}, p.Size+1))
	switch {
	case err != nil:
		return err
	case is.SHA256 != p.SHA256 || is.Size != p.Size:
		return fmt.Errorf("its SHA-256 is %s, its index says %s", is.SHA256, p.SHA256)
	case !bytes.Equal(bytes.TrimRight(is.Stanza(p.Path), "\n"), bytes.TrimRight(p.text, "\n")):
		return errors.New("its control file is not what its index says")
	}
	return nil
}

// base is the address of the archive, without a slash at its end.
func base(t *config.Target) string { return strings.TrimRight(t.URL, "/") }
