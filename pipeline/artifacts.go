package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// place is where the artifacts of a target are staged.
func place(t *config.Target) storage.Place {
	return storage.Place{Component: string(t.Component), Series: string(t.Series), Format: string(t.Format), OS: string(t.OS)}
}

// Artifacts lists what is staged for a target, or for all that are configured
// where target is empty.
func (e *Engine) Artifacts(ctx context.Context, target string) ([]storage.Artifact, error) {
	var all []storage.Artifact
	found := false
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		if target != "" && target != string(t.Name) {
			continue
		}
		found = true
		as, err := e.staging.List(ctx, place(t))
		if err != nil {
			return nil, fmt.Errorf("list what is staged for %s: %w", t.Name, err)
		}
		all = append(all, as...)
	}
	if !found {
		return nil, &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "targets are " + e.targetNames()}
	}
	return all, nil
}

// VerifyArtifacts hashes staged artifacts against their sidecars and returns
// them with their verdicts.
func (e *Engine) VerifyArtifacts(ctx context.Context, as []storage.Artifact, p *Progress) ([]storage.Artifact, error) {
	return e.staging.VerifyAll(ctx, as, p.Add, p.File)
}

// Stage copies a file into the staging area of a target, with a checksum
// sidecar. Other bytes under its name are refused without replace.
func (e *Engine) Stage(ctx context.Context, target, path string, replace bool, p *Progress) (storage.Artifact, error) {
	if err := e.writable(); err != nil {
		return storage.Artifact{}, err
	}
	t, ok := e.o.Config.Target(target)
	if !ok {
		return storage.Artifact{}, &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "targets are " + e.targetNames()}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is refused, not waited for
	if err != nil {
		return storage.Artifact{}, fmt.Errorf("stage: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return storage.Artifact{}, fmt.Errorf("stage %s: it is not a regular file", config.Inert(path))
	}
	name := filepath.Base(path)
	p.File(name)
	a, err := e.staging.Put(ctx, place(t), name, countingReader{f, p}, replace)
	if err != nil {
		return a, fmt.Errorf("stage %s: %w", config.Inert(name), err)
	}
	return a, e.fact(ctx, checklist.ArtifactStaged, checklist.Artifact{Target: target, File: a.File, Digest: a.Digest, Size: a.Size, Replaced: replace})
}

// RemoveArtifact takes an artifact and its sidecar out of the staging area.
func (e *Engine) RemoveArtifact(ctx context.Context, a storage.Artifact) error {
	if err := e.writable(); err != nil {
		return err
	}
	if err := e.staging.Remove(ctx, a); err != nil {
		return fmt.Errorf("remove %s: %w", config.Inert(a.File), err)
	}
	target := ""
	for i := range e.o.Config.Targets {
		if t := &e.o.Config.Targets[i]; place(t) == a.Place {
			target = string(t.Name)
		}
	}
	return e.fact(ctx, checklist.ArtifactRemoved, checklist.Artifact{Target: target, File: a.File, Digest: a.Digest, Size: a.Size})
}

func (e *Engine) fact(ctx context.Context, kind string, data any) error {
	return e.record(ctx, "", kind, func(checklist.State) (any, error) { return data, nil })
}

type countingReader struct {
	f *os.File
	p *Progress
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	c.p.Add(int64(n))
	return n, err
}
