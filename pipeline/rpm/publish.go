package rpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// made is a snapshot that was just built.
type made struct {
	*storage.Manifest
	packages, signed, reused int
	bytes                    int64 // of the packages that were signed
}

func (m *made) evidence() pipeline.Evidence {
	return pipeline.Evidence{
		"snapshot": m.ID,
		"revision": strconv.FormatInt(m.Revision, 10),
		"packages": strconv.Itoa(m.packages),
		"new":      strconv.Itoa(m.signed),
		"reused":   strconv.Itoa(m.reused),
		"bytes":    strconv.FormatInt(m.bytes, 10),
	}
}

// publish builds a snapshot of those packages, aside and whole: what is signed
// already is taken over, the rest is signed. Clients see nothing of it until a
// pointer is moved to it. What the metadata of like says of its packages is
// copied; like may be nil.
func (w *world) publish(ctx context.Context, packages []candidate, key *sign.Key, from repository.Lineage, m storage.Manifest, like *repository.Snapshot, p *pipeline.Progress) (*made, error) {
	a, err := w.assemble(ctx, key, p)
	if err != nil {
		return nil, err
	}
	defer a.build.Abort() // does nothing once it is committed
	result := &made{packages: len(packages)}
	var reuse []linked
	var fresh []candidate
	for _, c := range packages {
		if c.ready {
			reuse = append(reuse, linked{c.from, c.asFile()})
			continue
		}
		fresh = append(fresh, c)
		result.bytes += c.asFile().Size
	}
	result.signed, result.reused = len(fresh), len(reuse)
	if err := a.signAll(ctx, fresh, result.bytes); err != nil {
		return nil, err
	}
	if err := a.link(ctx, "take over", reuse); err != nil {
		return nil, err
	}
	md, err := a.describe(ctx, packages, like)
	if err != nil {
		return nil, err
	}
	if result.Manifest, err = a.finish(ctx, &md.Repomd, md.Index, m, from); err != nil {
		return nil, err
	}
	p.Logf("built snapshot %s: %d packages, %d signed, %d taken over; metadata of %d copied", result.ID, result.packages, result.signed, result.reused, md.Reused)
	return result, nil
}

// signAll signs packages into the snapshot, one worker per processor.
func (a *assembly) signAll(ctx context.Context, packages []candidate, bytes int64) error {
	if a.Target.Signatures == config.SignBoth {
		bytes *= 2 // they are read twice
	}
	a.p.Phase("sign", pipeline.Bytes, bytes)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range packages {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			a.p.File(c.Filename())
			return a.signOne(ctx, c)
		})
	}
	return g.Wait()
}

// signOne streams a package through the signer into the snapshot. What comes out
// is recorded only if what went in had its digest to the last byte.
func (a *assembly) signOne(ctx context.Context, c candidate) error {
	source, want, err := a.original(ctx, c)
	if err != nil {
		return err
	}
	defer source.Close()
	e, err := a.build.Create(ctx, c.path())
	if err != nil {
		return err
	}
	defer e.Abort()
	out := &sink{w: e}
	is, err := Resign(out, reader{ctx, source, a.p}, a.key, a.Target.Signatures, a.build.Time())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case out.err != nil:
		return fmt.Errorf("sign %s: %w", c, out.err)
	case err != nil:
		return a.explain(ctx, c, err)
	case is.SourceSHA256 != want || is.NEVRA != c.NEVRA:
		return a.explain(ctx, c, fmt.Errorf("it is %s with the SHA-256 %s, and should be %s with %s", is.NEVRA, is.SourceSHA256, c, want))
	}
	f, err := e.Commit()
	if err != nil {
		return err
	}
	f.Name, f.Version, f.Arch, f.Source = c.Name, c.EVR(), c.Arch, c.source()
	a.build.Add(f)
	a.took(f)
	return nil
}

// explain is why a package could not be signed: that its bytes are not those of
// its sidecar, where they are not, explains whatever else is wrong with it.
func (a *assembly) explain(ctx context.Context, c candidate, err error) error {
	if !c.staged() {
		return fmt.Errorf("sign %s of snapshot %s anew: %w", c, c.from, err)
	}
	if is, e := a.Env.Staging.Verify(ctx, c.artifact, nil); e == nil && is.Verdict == storage.Mismatch {
		err = config.Hint(errors.New(is.Detail), repository.WaysOut[storage.Mismatch])
	}
	return repository.NotReleasable(c.artifact, err)
}

// sink remembers that it could not be written to, which is nothing of what was
// to be written.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

// describe writes the metadata of the packages, which the snapshot holds by now.
func (a *assembly) describe(ctx context.Context, packages []candidate, like *repository.Snapshot) (*Repodata, error) {
	a.p.Phase("describe", pipeline.Files, int64(len(packages)))
	files := make([]PackageFile, len(packages))
	for i, c := range packages {
		f := a.paths[c.path()]
		files[i] = PackageFile{File: f, ModTime: modified(f), Open: func() (io.ReadCloser, error) { return a.build.Open(ctx, f.Path) }}
	}
	options := RepodataOptions{
		Compression: a.Target.Compress,
		Revision:    a.build.Time().Unix(),
		Count:       func(n int) { a.p.Add(int64(n)) },
	}
	if like != nil {
		options.Previous = &PreviousRepodata{
			Index: like.Extra["repodata"],
			Open:  func(path string) (*os.File, error) { return a.tree.Open(ctx, like.ID, path) },
		}
	}
	md, documents, err := SaveRepodata(ctx, a.build, files, options)
	if err != nil {
		return nil, err
	}
	if md.Damaged {
		a.p.Logf("the metadata of the snapshot before did not have its digest, and was made anew")
	}
	for _, f := range documents {
		a.took(f)
	}
	return md, nil
}

// sign signs repomd.xml, and makes sure of it with the key file that clients are
// given.
func (a *assembly) sign(repomd []byte) ([]byte, error) {
	at := a.build.Time()
	signature, err := a.key.Detached(repomd, at)
	if err != nil {
		return nil, fmt.Errorf("sign repomd.xml: %w", err)
	}
	public, err := repository.PublicKey(a.Config, a.Target)
	if err == nil {
		err = public.VerifyDetached(repomd, signature, at)
	}
	if err != nil {
		return nil, fmt.Errorf("verify the signature of repomd.xml as clients will: %w", err)
	}
	return signature, nil
}
