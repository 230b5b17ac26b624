package rpm

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/storage"
)

// candidate is a package that a new snapshot may hold.
type candidate struct {
	NEVRA
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
		r, err = w.env.Staging.Open(ctx, c.artifact)
		return r, c.artifact.Digest, err
	}
	f, err := w.served.Open(c.from, c.file.Path)
	if err != nil {
		return nil, "", fmt.Errorf("open %s of snapshot %s: %w", c.file.Path, c.from, err)
	}
	return f, c.file.SHA256, nil
}

// place is where the target's artifacts are staged.
func (t trade) place() storage.Place {
	return storage.Place{
		Component: string(t.target.Component), Series: string(t.target.Series),
		Format: string(t.target.Format), OS: string(t.target.OS),
	}
}

// listStaged lists the target's artifacts. One that cannot be released is an
// error, and so is an empty set.
func (t trade) listStaged(ctx context.Context, s *storage.Staging) ([]storage.Artifact, error) {
	all, err := s.List(ctx, t.place())
	if err != nil {
		return nil, err
	}
	var odd []string
	hint := ""
	for _, a := range all {
		if a.Verdict == storage.Unverified || a.Verdict == storage.Verified {
			continue
		}
		odd = append(odd, fmt.Sprintf("%s is %s (%s)", config.Inert(clip(a.File)), strings.ReplaceAll(string(a.Verdict), "-", " "), config.Inert(clip(a.Detail))))
		if hint == "" {
			hint = waysOut[a.Verdict]
		}
	}
	if len(odd) > 0 {
		return nil, config.Hint(fmt.Errorf("%s: %s", count(len(odd), "staged file cannot be released", "staged files cannot be released"), few(odd, "; ")), hint)
	}
	if len(all) == 0 {
		return nil, config.Hint(fmt.Errorf("nothing is staged for %s", t.target.Name),
			fmt.Sprintf("put packages and their .sha256 into %s: gantry stage %s FILE...", t.place().Prefix(), t.target.Name))
	}
	return all, nil
}

// waysOut says what to do about artifacts that cannot be released.
var waysOut = map[storage.Verdict]string{
	storage.Mismatch:         "upload it again, with the sidecar that its builder made",
	storage.MissingSidecar:   "upload its .sha256 too, or wait for the upload to end",
	storage.OrphanSidecar:    "upload the package too, or remove the sidecar",
	storage.MalformedSidecar: "upload the sidecar again: the SHA-256 of the file in hex",
	storage.BadName:          "remove it from the staging area, or stage it under a plain name",
	storage.Symlink:          "put the file itself there: links are never followed",
}

// ingest finds out what the staged packages are. Those whose source digest a
// snapshot's manifest has are not read.
func (w *world) ingest(ctx context.Context, artifacts []storage.Artifact, key string) ([]candidate, error) {
	known, err := w.bySource(key)
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

// notReleasable says of a staged file that it is not fit to be released.
func notReleasable(a storage.Artifact, err error) error {
	err = fmt.Errorf("the staged file %s cannot be released: %w", config.Inert(clip(a.File)), err)
	if config.HintOf(err) != "" {
		return err
	}
	return config.Hint(err, "stage the package that its builder made, or remove it: gantry artifacts shows what is staged")
}

// identify reads the name of a staged package from its header.
func (w *world) identify(ctx context.Context, a storage.Artifact) (NEVRA, error) {
	r, err := w.env.Staging.Open(ctx, a)
	if err != nil {
		return NEVRA{}, err
	}
	defer r.Close()
	h, err := ReadHeader(io.LimitReader(r, a.Size))
	if err != nil {
		return NEVRA{}, notReleasable(a, damaged(err))
	}
	n, err := h.NEVRA()
	if err != nil {
		return NEVRA{}, notReleasable(a, err)
	}
	return n, nil
}

// bySource is the packages of all snapshots by the digest they had when they
// were staged. Where the key signed them that signs now, they can be taken over
// as they are: what production serves before all, then the newest.
func (w *world) bySource(key string) (map[string]candidate, error) {
	all := map[string]candidate{}
	snapshots, err := w.snapshots()
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, f := range s.packages() {
			if f.Source == "" {
				continue
			}
			if c, ok := all[f.Source]; ok && (c.ready || s.lineage.Key != key) {
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
func asCandidate(s *snapshot, f storage.File, key string) (candidate, error) {
	epoch, version, release, err := ParseEVR(f.Version)
	n := NEVRA{Name: f.Name, Epoch: epoch, Version: version, Release: release, Arch: f.Arch}
	if err == nil {
		err = n.check()
	}
	if err != nil {
		return candidate{}, fmt.Errorf("the manifest of %s: %s: %w", s.ID, f.Path, err)
	}
	return candidate{NEVRA: n, from: s.ID, file: f, ready: s.lineage.Key == key}, nil
}

// candidates are all packages of the snapshot.
func (s *snapshot) candidates(key string) ([]candidate, error) {
	var all []candidate
	for _, f := range s.packages() {
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
	arch := w.target.OS.Arch()
	switch c.Arch {
	case arch, "noarch":
		return nil
	case "src":
		return config.Hint(fmt.Errorf("%s is a source package, and %s serves packages to install", c, w.target.Name),
			"serve source packages from a target of their own; remove it: gantry artifacts")
	}
	return config.Hint(fmt.Errorf("%s is built for %s, and %s serves %s and noarch", c, c.Arch, w.target.Name, arch),
		"stage it for the target of its architecture; remove it here: gantry artifacts")
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// few joins a few of the texts and tells how many there are besides.
func few(all []string, between string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, between)
	}
	return strings.Join(all[:most], between) + fmt.Sprintf("%sand %d more", between, len(all)-most)
}
