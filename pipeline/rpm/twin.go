package rpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// Twin builds a snapshot aside with the packages of another one and metadata
// newer than all that was served. Packages are hard links, unless clients were
// given another key since: then they are signed anew.
func (trade) Twin(ctx context.Context, in *repository.World, of *repository.Snapshot, p *pipeline.Progress) error {
	w, err := at(in)
	if err != nil {
		return err
	}
	key, err := repository.SigningKey(w.Config, w.Target, w.Env.Now())
	if err != nil {
		return err
	}
	p.Phase("check "+of.ID, pipeline.Bytes, repository.Total(of.Files))
	if err := w.Served.Check(ctx, of.ID, false, p.Add); err != nil {
		return err
	}
	packages, err := candidates(of, key.Fingerprint())
	if err != nil {
		return err
	}
	from := of.Lineage
	from.Key = key.Fingerprint()
	m, err := w.publish(ctx, packages, key, from, storage.Manifest{Base: w.Production, TwinOf: of.Root()}, of, p)
	if err != nil {
		return fmt.Errorf("build a twin of snapshot %s: %w", of.ID, err)
	}
	p.Logf("snapshot %s is a twin of %s", m.ID, of.ID)
	return nil
}

// Unfit says in words why clients would not take a snapshot as it is.
func (trade) Unfit(ctx context.Context, in *repository.World, s *repository.Snapshot) (string, error) {
	w, err := at(in)
	if err != nil {
		return "", err
	}
	public, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return "", err
	}
	if err := w.signedBy(ctx, public, s.ID); err != nil {
		return "clients would refuse its signature: " + err.Error(), nil
	}
	address, err := w.small(ctx, s.ID, mirrorlistPath)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(string(address)) != prefix(w.Target, w.tree, s.ID) {
		return "the target has another address since", nil
	}
	return "", nil
}

// Certify verifies the signature that clients look at first.
func (trade) Certify(ctx context.Context, in *repository.World, s *repository.Snapshot) error {
	w, err := at(in)
	if err != nil {
		return err
	}
	public, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return err
	}
	return w.signedBy(ctx, public, s.ID)
}

// signedBy verifies the signature of a snapshot's repomd.xml.
func (w *world) signedBy(ctx context.Context, public *sign.Public, id string) error {
	repomd, err := w.small(ctx, id, repodata.Path)
	if err != nil {
		return err
	}
	signature, err := w.small(ctx, id, signaturePath)
	if err != nil {
		return err
	}
	if err := public.VerifyDetached(repomd, signature, w.Env.Now()); err != nil {
		return fmt.Errorf("repomd.xml of snapshot %s: %w", id, err)
	}
	return nil
}

// small reads a small file of a snapshot.
func (w *world) small(ctx context.Context, id, path string) ([]byte, error) {
	f, err := w.tree.Open(ctx, id, path)
	if err != nil {
		return nil, fmt.Errorf("open %s of snapshot %s: %w", path, id, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, repodata.MaxRepomd+1))
	if err == nil && len(b) > repodata.MaxRepomd {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of snapshot %s: %w", path, id, err)
	}
	return b, nil
}
