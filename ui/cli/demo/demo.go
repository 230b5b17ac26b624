// Package demo makes a small real release to look at and to play with: packages
// built on the spot, keys made on the spot, and a release.yaml that serves them
// from the directory it lies in. It uses what operators use, and nothing else.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
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
var made = []string{marker, "release.yaml", "keys", "packages", "client", "staging", "served", "state"}

// Make makes a release of product name in dir: release.yaml, keys, packages of
// two versions of which the first is staged, and settings for dnf. dir must not
// be there, be empty, or hold an earlier demo, which is made anew. Its path must
// be absolute, since clients are given file URLs.
func Make(ctx context.Context, dir, name string) error {
	if _, err := config.ParseName(name); err != nil {
		return err
	}
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("make a demo: %q is not an absolute path", config.Inert(dir))
	}
	if err := clean(dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, marker), []byte("made by gantry demo, which may remove it\n"), 0o644); err != nil {
		return fmt.Errorf("make a demo: %w", err)
	}
	if err := keys(dir, name); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "release.yaml"), []byte(releaseYAML(dir, name)), 0o644); err != nil {
		return fmt.Errorf("write release.yaml: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for _, t := range targets {
		for _, version := range []string{Version, Next} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := build(packagesDir(dir, version, t.name), name, version, t, now); err != nil {
				return err
			}
		}
		if err := client(dir, t); err != nil {
			return err
		}
	}
	return stageFirst(ctx, dir)
}

// clean makes dir ready for a demo.
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
		if !slices.Contains(made, one.Name()) {
			return config.Hint(fmt.Errorf("%s holds %s, which no demo made", config.Inert(dir), config.Inert(one.Name())), "move it away, or give another directory with --dir")
		}
	}
	for _, one := range made {
		if err := os.RemoveAll(filepath.Join(dir, one)); err != nil {
			return fmt.Errorf("remove the earlier demo: %w", err)
		}
	}
	return nil
}

// platform is a target of the demo.
type platform struct {
	name, os, arch, policy string
}

var targets = []platform{
	{"core-el9", "el9-x86_64", "x86_64", "accumulate"},
	{"core-el9-arm", "el9-aarch64", "aarch64", "replace"},
}

// served is the directory of a target below served.
func (p platform) served() string { return "rpm/core/2025/" + p.os }

// packagesDir is where the packages of a version for a target lie before they
// are staged.
func packagesDir(dir, version, target string) string {
	return filepath.Join(dir, "packages", version, target)
}

func fileURL(path string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String()
}

// keys makes the signing key. It does not expire: rpm 4.18 does not import keys
// that say so in the way of the library that makes this one.
func keys(dir, name string) error {
	at := filepath.Join(dir, "keys")
	if err := os.MkdirAll(at, 0o700); err != nil {
		return fmt.Errorf("make the keys: %w", err)
	}
	private, public, err := sign.Generate(name+" demo", "demo@"+strings.ToLower(name)+".example", 3072, 0, time.Now())
	if err != nil {
		return fmt.Errorf("make the keys: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		{"private.asc", private, 0o600},
		{"public.asc", public, 0o644},
	} {
		if err := os.WriteFile(filepath.Join(at, f.name), f.data, f.mode); err != nil {
			return fmt.Errorf("write the keys: %w", err)
		}
	}
	return nil
}

// stageFirst stages the first version as an operator would.
func stageFirst(ctx context.Context, dir string) error {
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		return err
	}
	e, err := pipeline.Open(ctx, pipeline.Options{Config: cfg})
	if err != nil {
		return err
	}
	for _, t := range targets {
		if _, err = stage(ctx, e, dir, Version, t.name); err != nil {
			break
		}
	}
	return errors.Join(err, e.Close())
}

// stage stages the packages of a version for a target and returns how many.
func stage(ctx context.Context, e *pipeline.Engine, dir, version, target string) (int, error) {
	files, err := filepath.Glob(filepath.Join(packagesDir(dir, version, target), "*.rpm"))
	if err != nil {
		return 0, fmt.Errorf("find the packages of %s: %w", target, err)
	}
	for _, file := range files {
		if _, err := e.Stage(ctx, target, file, false, pipeline.NewProgress(nil)); err != nil {
			return 0, err
		}
	}
	return len(files), nil
}
