package deb

import (
	"context"
	"fmt"
	"time"

	"gantry/pipeline/repository"
	"gantry/storage"
)

// release writes Release and its signatures, and makes sure of them with the key
// file that clients are given.
func (a *assembly) release(ctx context.Context, m *storage.Manifest) error {
	at, t := a.build.Time(), a.Target
	r := Release{
		Origin: t.Origin, Label: t.Label, Suite: string(t.Suite),
		Description:   fmt.Sprintf("%s %s for %s", t.Component, t.Series, t.Suite),
		Date:          at,
		Architectures: architectures(t), Components: []string{string(t.Component)},
		Files: a.files,
	}
	if t.ValidFor > 0 {
		r.ValidUntil = at.Add(time.Duration(t.ValidFor)).UTC()
		if err := a.note(m, "valid_until", r.ValidUntil); err != nil {
			return err
		}
	}
	text, err := r.Encode()
	if err != nil {
		return err
	}
	clear, err := a.key.Clear(text, at)
	if err != nil {
		return fmt.Errorf("sign InRelease: %w", err)
	}
	detached, err := a.key.Detached(text, at)
	if err != nil {
		return fmt.Errorf("sign Release: %w", err)
	}
	files := map[string][]byte{releasePath: text, signaturePath: detached, inReleasePath: clear}
	public, err := repository.PublicKey(a.Config, t)
	if err == nil {
		_, err = readSigned(files, public, at)
	}
	if err != nil {
		return fmt.Errorf("verify the signatures of Release as clients will: %w", err)
	}
	for _, name := range []string{releasePath, signaturePath, inReleasePath} {
		if err := a.create(ctx, name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

// create writes a small file.
func (a *assembly) create(ctx context.Context, path string, content []byte) error {
	e, err := a.build.Create(ctx, path)
	if err != nil {
		return err
	}
	defer e.Abort()
	if _, err := e.Write(content); err != nil {
		return err
	}
	_, err = e.Commit()
	return err
}
