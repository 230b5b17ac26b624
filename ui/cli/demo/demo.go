// Package demo makes a small real release to look at and to play with: packages
// built on the spot, keys made on the spot, and a release.yaml that serves them
// from the directory it lies in. It uses what operators use, and nothing else.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo/distro"
)

// Kind is the kind of release that a demo opens, Version the first one staged
// and Next the one that follows, with one package changed.
const (
	Kind    = "promote"
	Version = "2025.1"
	Next    = "2025.2"
)

// marker is the file that tells a demo from somebody's release.
const marker = ".gantry-demo"

// made is everything that Make writes, or that comes of working with it.
var made = []string{marker, "release.yaml", "keys", "packages", "client", "staging", "served", "state", "registry", accessLog}

// all is what any demo makes.
var all = append(slices.Clone(made), distro.Made...)

// Options is what a demo is made of.
type Options struct {
	Dir      string          // where: it is not there yet, is empty, or holds an earlier demo, which is made anew
	Product  string          // its name
	Formats  []config.Format // of its targets
	Registry string          // host of a registry for images; empty for one of the demo's own
	Bucket   *Bucket         // where state, staging and what is served live; nil for directories
	Open     Opener
}

// Opener opens the engine of a demo, with all that the program can do.
type Opener func(context.Context, *config.Release) (*pipeline.Engine, error)

// Make makes a release: release.yaml, keys, packages of two versions of which
// the first is staged, and settings for clients. The path of its directory must
// be absolute, since clients are given file URLs.
func Make(ctx context.Context, o Options) error {
	if _, err := config.ParseName(o.Product); err != nil {
		return err
	}
	if !filepath.IsAbs(o.Dir) {
		return fmt.Errorf("make a demo: %q is not an absolute path", config.Inert(o.Dir))
	}
	chosen := targetsOf(o.Formats)
	if len(chosen) == 0 {
		return fmt.Errorf("make a demo: it would have no target of these formats: %v", o.Formats)
	}
	if o.Bucket != nil {
		if err := o.Bucket.ready(ctx); err != nil {
			return err
		}
	}
	if err := Prepare(o.Dir); err != nil {
		return err
	}
	if err := keys(o.Dir, o.Product); err != nil {
		return err
	}
	home, err := freeAddress()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "release.yaml"), []byte(releaseYAML(o, home, chosen)), 0o644); err != nil {
		return fmt.Errorf("write release.yaml: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for _, t := range chosen {
		for _, version := range []string{Version, Next} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := t.build(packagesDir(o.Dir, version, t.name), o.Product, version, now); err != nil {
				return err
			}
		}
	}
	if err := clients(o, home, chosen); err != nil {
		return err
	}
	return stageFirst(ctx, o)
}

// Prepare makes dir ready for a demo: it is made, or emptied of an earlier one.
// What no demo made is never removed.
func Prepare(dir string) error {
	if err := clean(dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, marker), []byte("made by gantry demo, which may remove it\n"), 0o644); err != nil {
		return fmt.Errorf("make a demo: %w", err)
	}
	return nil
}

func clean(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of the demo: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into the directory of the demo: %w", err)
	}
	if len(there) == 0 {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(dir, marker)); errors.Is(err, fs.ErrNotExist) {
		return config.Hint(fmt.Errorf("%s is not empty and holds no earlier demo", config.Inert(dir)), "give an empty directory with --dir")
	}
	for _, one := range there {
		if !slices.Contains(all, one.Name()) {
			return config.Hint(fmt.Errorf("%s holds %s, which no demo made", config.Inert(dir), config.Inert(one.Name())), "move it away, or give another directory with --dir")
		}
	}
	for _, one := range all {
		if err := os.RemoveAll(filepath.Join(dir, one)); err != nil {
			return fmt.Errorf("remove the earlier demo: %w", err)
		}
	}
	return nil
}

// stageFirst stages the first version as an operator would.
func stageFirst(ctx context.Context, o Options) (err error) {
	cfg, err := config.Load(filepath.Join(o.Dir, "release.yaml"))
	if err != nil {
		return err
	}
	server, err := Serve(ctx, o.Dir, "", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	e, err := o.Open(ctx, cfg)
	if err != nil {
		return err
	}
	for _, t := range targetsIn(cfg) {
		if _, err = stage(ctx, e, o.Dir, Version, t); err != nil {
			break
		}
	}
	return errors.Join(err, e.Close())
}

// stage stages what a version brings to a target and returns how many files.
func stage(ctx context.Context, e *pipeline.Engine, dir, version string, t target) (int, error) {
	at := packagesDir(dir, version, t.name)
	files, err := os.ReadDir(at)
	if err != nil {
		return 0, fmt.Errorf("find the packages of %s: %w", t.name, err)
	}
	for _, f := range files {
		if _, err := e.Stage(ctx, t.name, filepath.Join(at, f.Name()), t.archOf(f.Name()), false, pipeline.NewProgress(nil)); err != nil {
			return 0, err
		}
	}
	return len(files), nil
}
