package rpm

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// candidate is a package that a new snapshot may hold.
type candidate struct {
	repodata.NEVRA
	artifact storage.Artifact // as it is staged; no File where a snapshot alone has it
	from     string           // snapshot that has it signed, empty where none has
	file     storage.File     // it, in that snapshot
	ready    bool             // it was signed with the key that signs now, so it can be taken over
}

func (c *candidate) staged() bool { return c.artifact.File != "" }

// source is the SHA-256 of the package before it was signed.
func (c *candidate) source() string {
	if c.staged() {
		return c.artifact.Digest
	}
	return c.file.Source
}

// path is where the package is in a snapshot.
func (c *candidate) path() string {
	return "Packages/" + strings.ToLower(c.Name[:1]) + "/" + c.Filename()
}

// asFile is the package as far as a manifest can tell before it is signed.
func (c *candidate) asFile() storage.File {
	f := storage.File{Path: c.path(), Size: c.artifact.Size, Source: c.source()}
	if c.ready {
		f = c.file
	}
	f.Name, f.Version, f.Arch, f.Retained = c.Name, c.EVR(), c.Arch, false
	return f
}

// original opens what is to be signed: the staged file, or where it is gone, the
// package as it was signed before. sum is the SHA-256 that its bytes must have.
func (w *world) original(ctx context.Context, c candidate) (r io.ReadCloser, sum string, err error) {
	if c.staged() {
		r, err = w.Env.Staging.Open(ctx, c.artifact)
		return r, c.artifact.Digest, err
	}
	f, err := w.tree.Open(ctx, c.from, c.file.Path)
	if err != nil {
		return nil, "", fmt.Errorf("open %s of snapshot %s: %w", c.file.Path, c.from, err)
	}
	return f, c.file.SHA256, nil
}

// ingest finds out what the staged packages are. Those whose source digest a
// snapshot's manifest has are not read.
func (w *world) ingest(ctx context.Context, artifacts []storage.Artifact, key string) ([]candidate, error) {
	known, err := w.bySource(ctx, key)
	if err != nil {
		return nil, err
	}
	all := make([]candidate, len(artifacts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, a := range artifacts {
		if c, ok := known[a.Digest]; ok {
			all[i] = c
			all[i].artifact = a
			continue
		}
		g.Go(func() error {
			n, err := w.identify(ctx, a)
			if err != nil {
				return err
			}
			all[i] = candidate{NEVRA: n, artifact: a}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, c := range all {
		if err := w.rightArch(c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// identify reads the name of a staged package from its header.
func (w *world) identify(ctx context.Context, a storage.Artifact) (repodata.NEVRA, error) {
	r, err := w.Env.Staging.Open(ctx, a)
	if err != nil {
		return repodata.NEVRA{}, err
	}
	defer r.Close()
	h, err := ReadHeader(io.LimitReader(r, a.Size))
	if err != nil {
		return repodata.NEVRA{}, repository.NotReleasable(a, damaged(err))
	}
	n, err := h.NEVRA()
	if err != nil {
		return repodata.NEVRA{}, repository.NotReleasable(a, err)
	}
	return n, nil
}

// bySource is the packages of all snapshots by the digest they had when they
// were staged. Where the key signed them that signs now, they can be taken over
// as they are: what production serves before all, then the newest.
func (w *world) bySource(ctx context.Context, key string) (map[string]candidate, error) {
	all := map[string]candidate{}
	snapshots, err := w.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, f := range s.Packages() {
			if f.Source == "" {
				continue
			}
			if c, ok := all[f.Source]; ok && (c.ready || s.Lineage.Key != key) {
				continue
			}
			if all[f.Source], err = asCandidate(s, f, key); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// asCandidate is a package of a snapshot.
func asCandidate(s *repository.Snapshot, f storage.File, key string) (candidate, error) {
	epoch, version, release, err := repodata.ParseEVR(f.Version)
	n := repodata.NEVRA{Name: f.Name, Epoch: epoch, Version: version, Release: release, Arch: f.Arch}
	if err == nil {
		err = n.Check()
	}
	if err != nil {
		return candidate{}, fmt.Errorf("the manifest of %s: %s: %w", s.ID, f.Path, err)
	}
	return candidate{NEVRA: n, from: s.ID, file: f, ready: s.Lineage.Key == key}, nil
}

// candidates are all packages of the snapshot.
func candidates(s *repository.Snapshot, key string) ([]candidate, error) {
	var all []candidate
	for _, f := range s.Packages() {
		c, err := asCandidate(s, f, key)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// rightArch refuses a package that clients of the target could not install.
func (w *world) rightArch(c candidate) error {
	arch := w.Target.OS.Arch()
	switch c.Arch {
	case arch, "noarch":
		return nil
	case "src":
		return config.Hint(fmt.Errorf("%s is a source package, and %s serves packages to install", c, w.Target.Name),
			"serve source packages from a target of their own; remove it: gantry artifacts")
	}
	return config.Hint(fmt.Errorf("%s is built for %s, and %s serves %s and noarch", c, c.Arch, w.Target.Name, arch),
		"stage it for the target of its architecture; remove it here: gantry artifacts")
}
