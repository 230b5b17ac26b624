package check

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// newSpace checks that the file systems of served and state have room for what
// is staged and a fifth more, or for With bytes; and that inodes are left.
func newSpace(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	about, err := targets(cfg, item)
	if err != nil {
		return nil, err
	}
	var want int64
	if text := item.With["bytes"]; text != "" {
		if want, err = strconv.ParseInt(text, 10, 64); err != nil || want < 0 {
			return nil, fmt.Errorf("item %s: bytes is %q, not a number of bytes", item.ID, config.Inert(text))
		}
	}
	return observation{func(ctx context.Context, env *pipeline.Env, _ *pipeline.Progress) (pipeline.Evidence, error) {
		need, files := want, int64(0)
		all, err := list(ctx, env, about)
		if err != nil {
			return nil, err
		}
		if want == 0 {
			for _, a := range all {
				need += a.Size
			}
			need += need / 5
		}
		files = int64(len(all)) + 1000 // metadata, directories, journal
		ev := pipeline.Evidence{"needed": strconv.FormatInt(need, 10)}
		for name, dir := range map[string]string{"served": cfg.Path(cfg.Served), "state": cfg.Path(cfg.State)} {
			free, inodes, err := room(dir)
			if err != nil {
				return nil, fmt.Errorf("look at the file system of %s: %w", dir, err)
			}
			if name == "state" {
				free += need - 64<<20 // state keeps no packages: 64 MiB are plenty
			}
			if free < need {
				return nil, config.Hint(fmt.Errorf("%s (%s) has %d MiB free, %d MiB are needed", name, dir, free>>20, need>>20), "free some: gantry prune TARGET")
			}
			if inodes >= 0 && inodes < files {
				return nil, config.Hint(fmt.Errorf("%s (%s) has %d inodes free, %d are needed", name, dir, inodes, files), "remove small files there, or prune snapshots")
			}
			if name == "served" {
				ev["free"] = strconv.FormatInt(free, 10)
			}
		}
		return ev, nil
	}}, nil
}

// room is what an unprivileged writer may still use of a file system, in bytes
// and inodes; inodes is -1 where the file system does not count them.
func room(dir string) (bytes, inodes int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	inodes = -1
	if s.Files > 0 {
		inodes = int64(s.Ffree)
	}
	return int64(s.Bavail) * int64(s.Bsize), inodes, nil
}
