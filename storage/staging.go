package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

// Place is where the staged files of one target lie, in the layout of packyard:
// {component}/{series}/{format}/{os-arch}/{file} and {file}.sha256.
type Place struct {
	Component string // such as core
	Series    string // such as 2025
	Format    string // such as rpm
	OS        string // such as el9-x86_64
}

// Prefix is what the keys of the place start with; it ends in '/'.
func (p Place) Prefix() string {
	return p.Component + "/" + p.Series + "/" + p.Format + "/" + p.OS + "/"
}

func (p Place) check() error {
	for _, s := range []string{p.Component, p.Series, p.Format, p.OS} {
		if err := CheckName(s); err != nil {
			return fmt.Errorf("a place in the staging area: %w", err)
		}
	}
	return nil
}

// Artifact is a staged file with its checksum sidecar, or what lies there
// instead.
type Artifact struct {
	Place
	File     string    // as it is there; hostile until config.Inert was at it
	Size     int64     // bytes
	Modified time.Time // of the file
	Version  string    // changes whenever the file does
	Digest   string    // the SHA-256 that the sidecar states, lower-case hex
	Verdict  Verdict
	Detail   string // the verdict's reason in words, safe to show
}

// Key is where the artifact lies in the staging area's store.
func (a Artifact) Key() string { return a.Prefix() + a.File }

// Verdict is what is known of an artifact.
type Verdict string

// Verdicts. All but Unverified and Verified keep an artifact out of a release.
const (
	Unverified       Verdict = "unverified"        // paired with a sidecar, not hashed yet
	Verified         Verdict = "verified"          // its bytes have the sidecar's digest
	Mismatch         Verdict = "mismatch"          // its bytes have another digest
	MissingSidecar   Verdict = "missing-sidecar"   // no sidecar beside it
	OrphanSidecar    Verdict = "orphan-sidecar"    // a sidecar without a file
	MalformedSidecar Verdict = "malformed-sidecar" // its sidecar states no digest of it
	BadName          Verdict = "bad-name"          // never opened
	Symlink          Verdict = "symlink"           // a link, or not a file at all; never opened
)

// Staging is the area where artifacts wait to be released.
type Staging struct {
	store  Store
	listed func(Place) *listing // what a view has listed; nil in others
}

// NewStaging is the staging area on a store.
func NewStaging(s Store) *Staging { return &Staging{store: s} }

// Store is what the area lies on.
func (s *Staging) Store() Store { return s.store }

// View is the area for one look at it: each place is listed once, however many
// ask for it.
func (s *Staging) View() *Staging {
	var mu sync.Mutex
	all := map[Place]*listing{}
	return &Staging{store: s.store, listed: func(p Place) *listing {
		mu.Lock()
		defer mu.Unlock()
		if all[p] == nil {
			all[p] = &listing{}
		}
		return all[p]
	}}
}

// listing is a place as a view has listed it.
type listing struct {
	mu   sync.Mutex // held while it is listed
	done bool
	all  []Artifact
}

// Open reads an artifact's bytes. It refuses one that is not the file that was
// listed any more.
func (s *Staging) Open(ctx context.Context, a Artifact) (io.ReadCloser, error) {
	if err := errors.Join(a.check(), CheckName(a.File)); err != nil {
		return nil, fmt.Errorf("open an artifact: %w", err)
	}
	r, o, err := s.store.Open(ctx, a.Key(), Range{})
	if err != nil {
		return nil, fmt.Errorf("open the artifact %s: %w", config.Inert(a.File), err)
	}
	if o.Version != a.Version {
		r.Close()
		return nil, changed(a)
	}
	return r, nil
}

func changed(a Artifact) error {
	return config.Hint(fmt.Errorf("the artifact %s: %w", config.Inert(a.File), ErrConflict), "list the artifacts again")
}

// Put stages a file: its bytes, then its sidecar, so that an upload that was cut
// short is seen as a file without a sidecar, or as a mismatch. Where the name is taken it does
// nothing if the bytes are the same, and returns ErrExists if they are others,
// unless replace is set.
func (s *Staging) Put(ctx context.Context, p Place, file string, r io.Reader, replace bool) (Artifact, error) {
	if err := errors.Join(p.check(), CheckName(file)); err != nil {
		return Artifact{}, fmt.Errorf("stage a file: %w", err)
	}
	if strings.HasSuffix(file, sidecarSuffix) {
		return Artifact{}, fmt.Errorf("stage %s: that is the name of a sidecar, which is written for you", file)
	}
	if len(file)+len(sidecarSuffix) > 255 {
		return Artifact{}, fmt.Errorf("stage %s: the name is too long for its sidecar", file)
	}
	a := Artifact{Place: p, File: file}
	h := sha256.New()
	cond := IfAbsent
	if replace {
		cond = Always
	}
	if err := sweep(ctx, s.store, strings.TrimSuffix(p.Prefix(), "/")); err != nil {
		return Artifact{}, fmt.Errorf("stage %s: %w", file, err)
	}
	o, err := s.store.Put(ctx, a.Key(), io.TeeReader(r, h), cond)
	digest := hex.EncodeToString(h.Sum(nil))
	if errors.Is(err, ErrExists) {
		if o, err = s.same(ctx, a.Key(), digest); err != nil {
			return Artifact{}, err
		}
	}
	if err != nil {
		return Artifact{}, fmt.Errorf("stage %s: %w", file, err)
	}
	if _, err := s.store.Put(ctx, a.Key()+sidecarSuffix, strings.NewReader(digest+"\n"), Always); err != nil {
		return Artifact{}, fmt.Errorf("stage the checksum of %s: %w", file, err)
	}
	a.Size, a.Modified, a.Version, a.Digest, a.Verdict = o.Size, o.Modified, o.Version, digest, Unverified
	return a, nil
}

// same tells whether an object has those bytes already.
func (s *Staging) same(ctx context.Context, key, digest string) (Object, error) {
	r, o, err := s.store.Open(ctx, key, Range{})
	if err != nil {
		return o, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, r}); err != nil {
		return o, fmt.Errorf("read %s: %w", key, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != digest {
		return o, config.Hint(fmt.Errorf("stage %s: %w, with other bytes", key, ErrExists), "give the new build a new version, or replace it on purpose")
	}
	return o, nil
}

// Remove takes an artifact out of the staging area, its sidecar first.
func (s *Staging) Remove(ctx context.Context, a Artifact) error {
	if err := a.check(); err != nil {
		return err
	}
	if err := CheckName(a.File); err != nil {
		return config.Hint(fmt.Errorf("remove an artifact: %w", err), "remove it by hand")
	}
	if o, err := s.store.Stat(ctx, a.Key()); err != nil {
		return fmt.Errorf("remove the artifact %s: %w", config.Inert(a.File), err)
	} else if o.Version != a.Version {
		return changed(a)
	}
	if a.Verdict != OrphanSidecar {
		if err := s.store.Delete(ctx, a.Key()+sidecarSuffix); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("remove the checksum of %s: %w", config.Inert(a.File), err)
		}
	}
	if err := s.store.Delete(ctx, a.Key()); err != nil {
		return fmt.Errorf("remove the artifact %s: %w", config.Inert(a.File), err)
	}
	return nil
}

// Fingerprint is a digest of a listing: places, names, sizes, versions and
// stated digests, in the order given. It is the same as long as nothing changed.
func Fingerprint(as []Artifact) string {
	var b bytes.Buffer
	for _, a := range as {
		fmt.Fprintf(&b, "%q %q %d %q %q %s\n", a.Prefix(), a.File, a.Size, a.Version, a.Digest, structural(a.Verdict))
	}
	return digestOf(b.Bytes())
}

// structural is a verdict without what hashing added to it.
func structural(v Verdict) Verdict {
	if v == Verified || v == Mismatch {
		return Unverified
	}
	return v
}
