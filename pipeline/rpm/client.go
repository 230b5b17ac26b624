package rpm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
)

// Limits of what a client reads whole.
const (
	maxMirrorlist = 64 << 10 // bytes
	maxSignature  = 64 << 10
)

// outlet is where clients get their files from: over HTTP, or from the directory.
type outlet interface {
	// mirrorlist opens the file that a pointer leads to.
	mirrorlist(ctx context.Context, pointer string) (io.ReadCloser, error)
	// open opens a file of the snapshot. size is -1 where it is not told.
	open(ctx context.Context, href string) (r io.ReadCloser, size int64, err error)
	workers() int // how many files to read at a time
	near() bool   // to see that a file is there costs nothing
	close()
}

// client reads a repository as dnf does with gpgcheck and repo_gpgcheck, and
// believes nothing that it did not check. It knows what it should find.
type client struct {
	outlet
	want   *repository.Snapshot
	prefix string // address of that snapshot, as the mirrorlist gives it
	public *sign.Public
	at     time.Time
	sample int // packages to read whole; negative for all
	p      *pipeline.Progress
}

// findings is what a client found.
type findings struct {
	packages, whole int
	bytes           int64
}

// read reads the repository that a pointer leads to, from the mirrorlist to the
// last package.
func (c *client) read(ctx context.Context, pointer string) (*findings, error) {
	list, err := c.whole(maxMirrorlist, func() (io.ReadCloser, int64, error) {
		r, err := c.mirrorlist(ctx, pointer)
		return r, -1, err
	})
	if err != nil {
		return nil, fmt.Errorf("the mirrorlist: %w", err)
	}
	if prefix, err := onlyLine(list); err != nil {
		return nil, fmt.Errorf("the mirrorlist: %w", err)
	} else if prefix != c.prefix {
		return nil, stale(fmt.Errorf("the mirrorlist: it leads to %s, not to %s", config.Inert(clip(prefix)), c.prefix))
	}
	md, err := c.signed(ctx)
	if err != nil {
		return nil, err
	}
	if md.Revision != c.want.Revision {
		return nil, stale(fmt.Errorf("repomd.xml: its revision is %d, not %d", md.Revision, c.want.Revision))
	}
	packages, err := c.metadata(ctx, md)
	if err != nil {
		return nil, err
	}
	found := &findings{packages: len(packages)}
	return found, c.packages(ctx, packages, found)
}

// stale says why clients may get what was served before.
func stale(err error) error {
	return config.Hint(err, "a cache between here and the server may hold the one before")
}

// onlyLine is the one address of a mirrorlist; lines that begin with # say nothing.
func onlyLine(list []byte) (string, error) {
	var lines []string
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		return "", fmt.Errorf("it names %s, not one", repository.Count(len(lines), "address", "addresses"))
	}
	return lines[0], nil
}

// whole reads a file of at most that many bytes.
func (c *client) whole(most int64, open func() (io.ReadCloser, int64, error)) ([]byte, error) {
	r, _, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return b, err
}

// signed reads repomd.xml after its signature was verified.
func (c *client) signed(ctx context.Context) (*repodata.Repomd, error) {
	get := func(href string, most int64) ([]byte, error) {
		b, err := c.whole(most, func() (io.ReadCloser, int64, error) { return c.open(ctx, href) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", href, err)
		}
		return b, nil
	}
	repomd, err := get(repodata.Path, repodata.MaxRepomd)
	if err != nil {
		return nil, err
	}
	signature, err := get(signaturePath, maxSignature)
	if err != nil {
		return nil, err
	}
	if err := c.public.VerifyDetached(repomd, signature, c.at); err != nil {
		return nil, fmt.Errorf("%s: %w", signaturePath, err)
	}
	return repodata.ReadRepomd(bytes.NewReader(repomd))
}

// metadata reads every document that repomd.xml names and returns the packages:
// exactly those of the manifest. filelists and other must tell of the same ones,
// which is looked at where every package is read too.
func (c *client) metadata(ctx context.Context, md *repodata.Repomd) ([]repodata.PackageRef, error) {
	missing := map[string]string{} // digests by path
	for _, f := range c.want.Packages() {
		missing[f.Path] = f.SHA256
	}
	var packages []repodata.PackageRef
	ids := make(map[string]bool, len(missing))
	var total int64
	for _, d := range md.Documents() {
		total += d.Size
	}
	c.p.Phase("metadata", pipeline.Bytes, total)
	for _, d := range md.Documents() {
		var use func(io.Reader) error
		switch {
		case d == &md.Primary:
			use = func(r io.Reader) error {
				return repodata.ReadPrimary(r, func(p repodata.PackageRef) error {
					if missing[p.Href] != p.SHA256 {
						return fmt.Errorf("it names %s with the SHA-256 %s, which the snapshot does not have", p.Href, p.SHA256)
					}
					delete(missing, p.Href)
					ids[p.SHA256] = true
					packages = append(packages, p)
					return nil
				})
			}
		case c.sample < 0:
			use = func(r io.Reader) error { return repodata.CheckDetails(r, d.Type, ids) }
		}
		c.p.File(d.Href)
		if err := c.document(ctx, d, use); err != nil {
			return nil, err
		}
		for path := range missing {
			return nil, fmt.Errorf("%s does not name %s: %s of the snapshot", d.Href, path, repository.Count(len(missing), "package is missing", "packages are missing"))
		}
		if len(packages) == 0 {
			return nil, errors.New("its metadata names no package")
		}
	}
	return packages, nil
}

func (c *client) document(ctx context.Context, d *repodata.Document, use func(io.Reader) error) error {
	r, size, err := c.open(ctx, d.Href)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Href, err)
	}
	defer r.Close()
	if size >= 0 && size != d.Size {
		return fmt.Errorf("%s has %d bytes, repomd.xml says %d", d.Href, size, d.Size)
	}
	return d.Read(reader{ctx, r, c.p}, use)
}

// packages reads packages, several at a time: all, or so many of them; of the
// others it looks that they are there with their size, where that costs nothing.
func (c *client) packages(ctx context.Context, all []repodata.PackageRef, found *findings) error {
	sample, rest := all, []repodata.PackageRef(nil)
	if c.sample >= 0 && c.sample < len(all) {
		// Digests are as good as random, and the same in every run.
		slices.SortFunc(all, func(a, b repodata.PackageRef) int { return cmp.Compare(a.SHA256, b.SHA256) })
		sample, rest = all[:c.sample], all[c.sample:]
	}
	for _, p := range sample {
		found.bytes += p.Size
	}
	found.whole = len(sample)
	c.p.Phase("packages", pipeline.Bytes, found.bytes)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.workers())
	for _, p := range sample {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.p.File(p.Filename())
			return c.one(ctx, p, true)
		})
	}
	if c.near() {
		for _, p := range rest {
			g.Go(func() error { return c.one(ctx, p, false) })
		}
	}
	return g.Wait()
}

// one looks at a package: that it is there, and, where it is read, that it is
// what the metadata says and signed with the key that clients have.
func (c *client) one(ctx context.Context, p repodata.PackageRef, read bool) error {
	r, size, err := c.open(ctx, p.Href)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Href, err)
	}
	defer r.Close()
	if size >= 0 && size != p.Size {
		return fmt.Errorf("%s has %d bytes, the metadata says %d", p.Href, size, p.Size)
	}
	if !read {
		return nil
	}
	is, err := Check(io.LimitReader(reader{ctx, r, c.p}, p.Size+1), c.public, c.at)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", p.Href, err)
	case is.SHA256 != p.SHA256 || is.Size != p.Size:
		return fmt.Errorf("%s: its SHA-256 is %s, the metadata says %s", p.Href, is.SHA256, p.SHA256)
	case is.NEVRA != p.NEVRA:
		return fmt.Errorf("%s is %s, the metadata says %s", p.Href, is.NEVRA, p.NEVRA)
	case is.Header.Start != p.Start || is.Header.End != p.End:
		return fmt.Errorf("%s: its header is not where the metadata says", p.Href)
	}
	return nil
}
