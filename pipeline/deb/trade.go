// Package deb is the trade of APT repositories. A target is one suite with one
// component: its snapshots are what clients find in dists/SUITE, and its packages
// lie in a pool beside them, each under a path that no other bytes ever get.
//
// Clients trust the signature of InRelease and the digests that it leads to.
// Packages have no signatures of their own: neither apt nor dpkg looks at those
// of dpkg-sig or debsigs unless it is told to, and a package is served as it was
// staged, byte for byte.
package deb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Files of a snapshot that clients fetch under names that never change.
const (
	inReleasePath = "InRelease"
	releasePath   = "Release"
	signaturePath = "Release.gpg"
)

// Make makes the step of an item on a suite: see repository.Make.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	return repository.Make(cfg, item, config.FormatDEB, trade{})
}

// Tree is the directory of a suite's snapshots and pointers, relative to the
// archive, which the target's path names and suites share.
func Tree(t *config.Target) string { return "suites/" + string(t.Suite) }

// dists is where clients read what a pointer names, relative to the archive.
func dists(t *config.Target, pointer string) string {
	if pointer == repository.Staging {
		return "dists/" + string(t.Suite) + "-staging"
	}
	return "dists/" + string(t.Suite)
}

// Face is what clients of a suite look at first: InRelease, whose Date names the
// snapshot. On an object store the indexes are there under their digests before
// it; what keeps its name follows it, for clients that do not look for digests: it
// can be put right again, whoever wrote it.
func Face(t *config.Target) storage.Face {
	lasting := func(p string) bool { return strings.Contains(p, "/by-hash/") }
	return storage.Face{
		Dir: map[string]string{
			repository.Production: "../../" + dists(t, repository.Production),
			repository.Staging:    "../../" + dists(t, repository.Staging),
		},
		File:  inReleasePath,
		ID:    snapshotOf,
		Copy:  lasting,
		After: func(p string) bool { return !lasting(p) },
	}
}

// snapshotOf is the snapshot that an InRelease is of. It does not look at the
// signature.
func snapshotOf(inRelease []byte) (string, error) {
	for line := range bytes.Lines(inRelease) {
		if date, ok := bytes.CutPrefix(line, []byte("Date:")); ok {
			at, err := parseDate(string(bytes.TrimSpace(date)))
			if err != nil {
				return "", err
			}
			return at.Format("20060102T150405Z"), nil
		}
	}
	return "", fmt.Errorf("it is no InRelease: it has no Date")
}

// trade is what suites have that other repositories have not.
type trade struct{ repository.OpenPGP }

func (trade) Traits() repository.Traits {
	return repository.Traits{
		Noun:    "an APT suite",
		Forward: true,
		Down:    "they go back with apt-get install --allow-downgrades PACKAGE=VERSION",
		Stale:   "apt-get update",
	}
}

func (trade) Compare(a, b string) int { return CompareVersions(a, b) }

// Lasting are the indexes of a snapshot under the names of their digests, which
// clients ask for that hold its InRelease.
func (trade) Lasting(s *repository.Snapshot) []storage.File {
	var all []storage.File
	for _, f := range s.Files {
		if !f.Retained && strings.Contains(f.Path, "/by-hash/") {
			all = append(all, f)
		}
	}
	return all
}

// Unfit tells of a snapshot that clients would refuse: by its signature, its
// suite, or its Valid-Until, which must leave them time.
func (trade) Unfit(ctx context.Context, w *repository.World, s *repository.Snapshot) (string, error) {
	r, why, err := signed(ctx, w, s)
	if err != nil || why != "" {
		return why, err
	}
	if r.Suite != string(w.Target.Suite) || !slices.Equal(r.Components, []string{string(w.Target.Component)}) {
		return "it was built for another suite or component", nil
	}
	if pipeline.Expiring(r.Date, r.ValidUntil, w.Env.Now()) {
		return "clients would accept it for too short a time: until " + r.ValidUntil.Format(dateForm), nil
	}
	return "", nil
}

// Certify verifies the signatures of a snapshot, and that its packages are in the
// pool.
func (trade) Certify(ctx context.Context, w *repository.World, s *repository.Snapshot) error {
	_, why, err := signed(ctx, w, s)
	if err == nil && why != "" {
		err = fmt.Errorf("snapshot %s: %s", s.ID, why)
	}
	if err != nil {
		return err
	}
	return pooled(ctx, poolOf(w), s.Pool)
}

// signed reads Release of a snapshot as its signatures have it; why says what the
// matter is with them.
func signed(ctx context.Context, w *repository.World, s *repository.Snapshot) (r *Release, why string, err error) {
	public, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return nil, "", err
	}
	tree, ok := w.Served.(storage.Tree)
	if !ok {
		return nil, "", fmt.Errorf("%s is not served from files", w.Target.Name)
	}
	files := map[string][]byte{}
	for _, name := range []string{inReleasePath, releasePath, signaturePath} {
		if files[name], err = small(ctx, tree, s.ID, name); err != nil {
			return nil, "", err
		}
	}
	r, err = readSigned(files, public, w.Env.Now())
	if err != nil {
		return nil, "clients would refuse its signature: " + err.Error(), nil
	}
	return r, "", nil
}

// Expires is when clients stop to accept a snapshot of a suite; zero where they
// never do. It believes what lies there: nobody acts on it but to publish anew.
func Expires(ctx context.Context, served storage.Served, id string) (time.Time, error) {
	tree, ok := served.(storage.Tree)
	if !ok {
		return time.Time{}, fmt.Errorf("snapshot %s has no files", id)
	}
	text, err := small(ctx, tree, id, releasePath)
	if err != nil {
		return time.Time{}, err
	}
	r, err := ParseRelease(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s of snapshot %s: %w", releasePath, id, err)
	}
	return r.ValidUntil, nil
}

func validUntil(m *storage.Manifest) (until time.Time, err error) {
	if b, ok := m.Extra["valid_until"]; ok {
		if err := json.Unmarshal(b, &until); err != nil {
			return time.Time{}, fmt.Errorf("snapshot %s: its manifest does not say until when it is valid: %w", m.ID, err)
		}
	}
	return until, nil
}

// architectures are those that the suite has indexes of. Packages for all are in
// each.
func architectures(t *config.Target) []string {
	all := make([]string, len(t.Architectures))
	for i, a := range t.Architectures {
		all[i] = string(a)
	}
	slices.Sort(all)
	return all
}

// indexDir is where the index of an architecture is in a snapshot.
func indexDir(t *config.Target, arch string) string {
	return path.Join(string(t.Component), "binary-"+arch)
}

// poolPath is where a package lies, relative to the archive.
func poolPath(t *config.Target, p *Package) string {
	return poolDir(t) + p.Source[:1] + "/" + p.Source + "/" + p.Filename()
}

// poolDir is where the packages of a suite lie; no other has any there.
func poolDir(t *config.Target) string {
	return "pool/" + string(t.Suite) + "/" + string(t.Component) + "/"
}
