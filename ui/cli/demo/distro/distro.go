// Package distro makes a small distribution to release and to patch: composes of
// two majors and two architectures with real RPM repositories and what looks like
// images, programs in place of those that compose, and a world of mirrors and a
// website. It uses what operators use, and nothing else.
package distro

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
)

// Opener opens the engine of a demo, with all that the program can do and with a
// clock.
type Opener func(ctx context.Context, cfg *config.Release, now func() time.Time) (*pipeline.Engine, error)

// Options is what a demo is made of.
type Options struct {
	Dir     string // where: empty, or not there yet
	Product string
	Patch   bool // a patch day of two releases that are out, not the release of one
}

// The editions of the demos.
const (
	older = "9.6"     // in production from before
	final = "9.7-RC2" // that is released: staging has the release candidate
	nines = "9.7"
	tens  = "10.1" // in production, with updates that wait
)

// Made is everything that Make writes, or that comes of working with it.
var Made = []string{"release.yaml", "keys", "mnt", "build", "bucket", "scripts", "www", "torrents", "state", "staging", "served", "clock"}

// Make makes a demo.
func Make(ctx context.Context, o Options) error {
	now := time.Now().UTC().Truncate(time.Second)
	at := func(parts ...string) string { return filepath.Join(append([]string{o.Dir}, parts...)...) }
	for _, dir := range []string{"mnt/compose", "mnt/repos-staging/mirror/pub/rocky", "mnt/repos-production/mirror/pub/rocky", "mnt/europe",
		"torrents/held", "torrents/data", "torrents/watch", "bucket", "www"} {
		if err := os.MkdirAll(at(filepath.FromSlash(dir)), 0o755); err != nil {
			return fmt.Errorf("make the demo: %w", err)
		}
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if err := write(at("release.yaml"), settings(o.Product, address)); err != nil {
		return err
	}
	key, err := keys(o, now)
	if err != nil {
		return err
	}
	if err := unfold(scripts, "scripts", at("scripts"), 0o755); err != nil {
		return err
	}
	if err := unfold(pages, "www", at("www", ".templates"), 0o644); err != nil {
		return err
	}
	m := maker{key: key, now: now, at: at}
	make := m.release
	if o.Patch {
		make = m.patchDay
	}
	if err := make(ctx); err != nil {
		return err
	}
	if err := write(at("clock"), "its time is that of the demo when it begins; see scripts/common.sh\n"); err != nil {
		return err
	}
	return backdate(o.Dir, now.Add(-start-time.Hour))
}

// backdate gives all files the time at which the demo begins by its own clock:
// nothing may come from its future.
func backdate(dir string, to time.Time) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, to, to)
	})
}

// maker makes what there was before the operator came.
type maker struct {
	key *sign.Key
	now time.Time
	at  func(...string) string
}

// release is the world before the release of 9.7: 9.6 is out, and 10.1, which has
// updates that wait in their compose; of 9.7 the build system has all.
func (m maker) release(ctx context.Context) error {
	nine := edition{9, nines, fresh, m.now.Format("20060102.150405")}
	build := m.at("build", "9")
	if err := write(filepath.Join(build, "edition"), fmt.Sprintf("revision=%s\nstamp=%s\n", nine.revision, nine.stamp)); err != nil {
		return err
	}
	if err := nine.packages(ctx, filepath.Join(build, "packages"), m.now); err != nil {
		return err
	}
	if err := nine.images(build); err != nil {
		return err
	}
	if err := m.out(ctx, edition{9, older, before, "20250602.083011"}); err != nil {
		return err
	}
	if err := m.updates(ctx, 10, tens); err != nil {
		return err
	}
	for _, mirror := range mirrors[:3] {
		if err := os.MkdirAll(m.at("mnt", "mirrors", mirror), 0o755); err != nil {
			return fmt.Errorf("make the demo: %w", err)
		}
	}
	return m.laggard(ctx, edition{9, nines, before, "20251030.101500"})
}

// patchDay is the world before a patch day of 9.7 and 10.1.
func (m maker) patchDay(ctx context.Context) error {
	for major, revision := range map[int]string{9: nines, 10: tens} {
		if err := m.updates(ctx, major, revision); err != nil {
			return err
		}
		text := fmt.Sprintf("revision=%s\nstamp=%s\n", revision, m.now.Format("20060102.150405"))
		if err := write(m.at("build", fmt.Sprint(major), "edition"), text); err != nil {
			return err
		}
		out := edition{major: major, revision: revision}
		for _, dir := range []string{
			m.at("mnt", "repos-production", "mirror", "pub", "rocky", revision),
			m.at("mnt", "compose", fmt.Sprint(major), fmt.Sprintf("latest-Rocky-%d", major), "compose"),
		} {
			if err := out.images(dir); err != nil {
				return err
			}
		}
	}
	if err := m.website(nines); err != nil {
		return err
	}
	return m.laggard(ctx, edition{9, nines, before, "20251030.101500"})
}

// website is that of a release which is out.
func (m maker) website(revision string) error {
	names, err := fs.Glob(pages, "www/*")
	for _, name := range names {
		var text []byte
		if text, err = pages.ReadFile(name); err == nil {
			err = write(m.at("www", filepath.Base(name)), strings.ReplaceAll(string(text), "@REVISION@", revision))
		}
		if err != nil {
			return err
		}
	}
	return err
}

// updates is an edition that is out, with updates in its compose.
func (m maker) updates(ctx context.Context, major int, revision string) error {
	if err := m.out(ctx, edition{major, revision, fresh, "20251110.120000"}); err != nil {
		return err
	}
	e := edition{major, revision, patched, m.now.Format("20060102.150405")}
	in := m.at("mnt", "compose", fmt.Sprint(major))
	if err := e.compose(ctx, filepath.Join(in, e.id(), "compose"), m.now); err != nil {
		return err
	}
	if err := os.Symlink(e.id(), filepath.Join(in, fmt.Sprintf("latest-Rocky-%d", major))); err != nil {
		return fmt.Errorf("make the demo: %w", err)
	}
	return nil
}

// out is an edition that is in production, signed, as somebody else brought it
// there.
func (m maker) out(ctx context.Context, e edition) error {
	return m.signed(ctx, e, m.at("mnt", "repos-production", "mirror", "pub", "rocky", e.revision))
}

// laggard is the mirror that does not sync.
func (m maker) laggard(ctx context.Context, e edition) error {
	return m.signed(ctx, e, m.at("mnt", "mirrors", mirrors[len(mirrors)-1], "pub", "rocky", e.revision))
}

func (m maker) signed(ctx context.Context, e edition, dir string) error {
	if err := e.compose(ctx, dir, m.now.Add(-20*24*time.Hour)); err != nil {
		return err
	}
	for _, repo := range repos {
		for _, arch := range arches {
			repomd := filepath.Join(dir, repo, arch, "os", "repodata", "repomd.xml")
			text, err := os.ReadFile(repomd)
			if err == nil {
				var signature []byte
				if signature, err = m.key.Detached(text, m.now.Add(-30*time.Hour)); err == nil {
					err = os.WriteFile(repomd+".asc", signature, 0o644)
				}
			}
			if err != nil {
				return fmt.Errorf("sign the demo's repositories: %w", err)
			}
		}
	}
	return nil
}

//go:embed scripts/*
var scripts embed.FS

//go:embed www/*
var pages embed.FS

// unfold writes embedded files into a directory.
func unfold(from embed.FS, dir, to string, mode fs.FileMode) error {
	files, err := fs.Sub(from, dir)
	if err != nil {
		return fmt.Errorf("make the demo: %w", err)
	}
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err == nil {
			err = errors.Join(write(filepath.Join(to, name), string(data)), os.Chmod(filepath.Join(to, name), mode))
		}
		return err
	})
}
