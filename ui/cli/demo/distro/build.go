package distro

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What every edition of the demo has.
var (
	repos    = []string{"BaseOS", "AppStream"}
	arches   = []string{"x86_64", "aarch64"}
	variants = []string{"boot", "minimal", "dvd"}
)

// edition is one that the build system has made, or will have.
type edition struct {
	major    int
	revision string // 9.7
	age      age
	stamp    string // of its compose: 20251121.101500
}

// id is the COMPOSE_ID of an edition.
func (e edition) id() string { return "Rocky-" + e.revision + "-" + e.stamp }

// packages builds the repositories of an edition below dir, as the build system
// publishes them.
func (e edition) packages(ctx context.Context, dir string, now time.Time) error {
	for _, repo := range repos {
		for _, arch := range arches {
			if err := ctx.Err(); err != nil {
				return err
			}
			os := filepath.Join(dir, repo, arch, "os")
			if err := repository(ctx, os, content{repo, arch, e.major, e.age}, now); err != nil {
				return err
			}
			for name, text := range map[string]string{
				".discinfo":  fmt.Sprintf("%d.000000\nRocky Linux %s\n%s\nALL\n", now.Unix(), e.revision, arch),
				"media.repo": fmt.Sprintf("[InstallMedia]\nname=Rocky Linux %s\nmediaid=%d.000000\nmetadata_expire=-1\ngpgcheck=0\ncost=500\n", e.revision, now.Unix()),
			} {
				if err := write(filepath.Join(os, name), text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// images makes what looks like the images of an edition, in the form of the
// bucket that builders upload to.
func (e edition) images(dir string) error {
	for _, arch := range arches {
		for _, variant := range variants {
			name := fmt.Sprintf("Rocky-%s-%s-%s.iso", e.revision, arch, variant)
			size := map[string]int{"boot": 96 << 10, "minimal": 256 << 10, "dvd": 1 << 20}[variant]
			if err := write(filepath.Join(dir, "isos", arch, name), string(noise(name, size))); err != nil {
				return err
			}
		}
		for in, name := range map[string]string{
			"images": fmt.Sprintf("Rocky-%d-GenericCloud-Base-%s-20251120.0.%s.qcow2", e.major, e.revision, arch),
			"live":   fmt.Sprintf("Rocky-%s-Workstation-%s-20251120.0.iso", e.revision, arch),
		} {
			if err := write(filepath.Join(dir, in, arch, name), string(noise(name, 128<<10))); err != nil {
				return err
			}
		}
	}
	return nil
}

// compose makes the whole compose of an edition, as the build system's programs
// would have left it: what a cron job did before the operator came.
func (e edition) compose(ctx context.Context, dir string, now time.Time) error {
	if err := e.packages(ctx, dir, now); err != nil {
		return err
	}
	return write(filepath.Join(dir, "metadata", "COMPOSE_ID"), e.id())
}

// write writes a file with the directories that it is in.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the demo: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("make the demo: %w", err)
	}
	return nil
}
