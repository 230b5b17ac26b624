package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Places are where the artifacts of a target are staged.
func Places(t *config.Target) []storage.Place {
	var all []storage.Place
	for _, os := range t.Places() {
		all = append(all, storage.Place{Component: string(t.Component), Series: string(t.Series), Format: string(t.Format), OS: os})
	}
	return all
}

// placeOf is where a file for a target is staged: the place of the architecture
// that the file itself is of, or that was named where the file goes with every
// one. A file that the target's clients could not use is refused here, not after
// it was uploaded.
func (e *Engine) placeOf(t *config.Target, arch string, f *os.File) (storage.Place, error) {
	all, known := Places(t), make([]string, len(t.Places()))
	for i, p := range all {
		known[i] = strings.TrimPrefix(p.OS, string(t.Suite)+"-")
		if t.Format == config.FormatRPM {
			known[i] = t.OS.Arch()
		}
	}
	if read := e.o.Trades[t.Format].Arch; read != nil {
		is, err := read(f)
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			return storage.Place{}, fmt.Errorf("for %s: %w", t.Name, err)
		}
		switch {
		case is == "" && arch == "": // it goes with every architecture, and one place is enough
			return all[0], nil
		case is != "" && arch != "" && !sameArch(is, arch):
			return storage.Place{}, &RefusedError{
				Reason: fmt.Sprintf("it is of architecture %s, not %s", config.Inert(is), config.Inert(arch)), Hint: "leave --arch out"}
		case is != "":
			arch = is
		}
	}
	switch i := slices.IndexFunc(known, func(a string) bool { return sameArch(a, arch) }); {
	case i >= 0:
		return all[i], nil
	case arch == "" && len(all) == 1:
		return all[0], nil
	case arch == "":
		return storage.Place{}, &RefusedError{
			Reason: string(t.Name) + " has several architectures: " + strings.Join(known, ", "), Hint: "say which with --arch"}
	}
	return storage.Place{}, &RefusedError{
		Reason: fmt.Sprintf("it is of architecture %s, and %s serves %s", config.Inert(arch), t.Name, strings.Join(known, ", ")),
		Hint:   "stage it for another target, or name that architecture in release.yaml"}
}

// sameArch tells whether two words are of one architecture, which RPM, Debian
// and images call differently.
func sameArch(a, b string) bool {
	words := func(arch string) string {
		switch arch {
		case "amd64":
			return "x86_64"
		case "aarch64":
			return "arm64"
		}
		return arch
	}
	return words(a) == words(b)
}

// Artifacts lists what is staged for a target, or for all that are configured
// where target is empty.
func (e *Engine) Artifacts(ctx context.Context, target string) ([]storage.Artifact, error) {
	found := false
	var at []storage.Place
	var of []config.Name // the targets of those places
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		if target != "" && target != string(t.Name) {
			continue
		}
		found = true
		for _, p := range Places(t) {
			at, of = append(at, p), append(of, t.Name)
		}
	}
	if !found {
		return nil, &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "targets are " + e.targetNames()}
	}
	all := make([][]storage.Artifact, len(at))
	listing, ctx := errgroup.WithContext(ctx)
	listing.SetLimit(looks)
	for i, p := range at {
		listing.Go(func() (err error) {
			if all[i], err = e.staging.List(ctx, p); err != nil {
				err = fmt.Errorf("list what is staged for %s: %w", of[i], err)
			}
			return err
		})
	}
	if err := listing.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(all...), nil
}

// VerifyArtifacts hashes staged artifacts against their sidecars and returns
// them with their verdicts.
func (e *Engine) VerifyArtifacts(ctx context.Context, as []storage.Artifact, p *Progress) ([]storage.Artifact, error) {
	return e.staging.VerifyAll(ctx, as, p.Add, p.File)
}

// Stage copies a file into the staging area of a target, with a checksum
// sidecar; arch chooses between several architectures, and is read off the file
// where it is empty. Other bytes under its name are refused without replace.
func (e *Engine) Stage(ctx context.Context, target, path, arch string, replace bool, p *Progress) (storage.Artifact, error) {
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
	at, err := e.placeOf(t, arch, f)
	if err != nil {
		return storage.Artifact{}, fmt.Errorf("stage %s: %w", config.Inert(name), err)
	}
	a, err := e.staging.Put(ctx, at, name, countingReader{f, p}, replace)
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
		if t := &e.o.Config.Targets[i]; slices.Contains(Places(t), a.Place) {
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
