package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const (
	stateNeeds = 64 << 20 // bytes: journal, plans and logs
	spareFiles = 1000     // for metadata, directories, the journal
)

// newSpace checks that there is room on the file system of served for what is
// staged and a fifth more, or for With bytes; on that of state for 64 MiB; and
// that inodes are left on both. Where they are one, it must have room for both. A
// bucket has room as far as anybody can tell.
func newSpace(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("bytes"); err != nil {
		return nil, err
	}
	about, err := newScope(cfg, item)
	if err != nil {
		return nil, err
	}
	var given int64
	if text := item.With["bytes"]; text != "" {
		if given, err = strconv.ParseInt(text, 10, 64); err != nil || given < 1 {
			return nil, fmt.Errorf("item %s: bytes is %q, not a number of bytes", item.ID, config.Inert(text))
		}
	}
	return observation{func(ctx context.Context, env *pipeline.Env, _ *pipeline.Progress) (pipeline.Evidence, error) {
		all, err := list(ctx, env, about.targets(env))
		if err != nil {
			return nil, err
		}
		need := given
		if need == 0 {
			if len(all) == 0 {
				return nil, config.Hint(errors.New("nothing is staged, so it cannot be told how much room is needed"), "stage the packages first: gantry stage TARGET FILE...")
			}
			for _, a := range all {
				need = plus(need, a.Size)
			}
			need = plus(need, need/5)
		}
		ev := pipeline.Evidence{}
		var volumes []volume
		for _, v := range []volume{
			{name: "served", dir: cfg.Served, need: need, files: int64(len(all)) + spareFiles},
			{name: "state", dir: cfg.State, need: stateNeeds, files: spareFiles},
		} {
			if _, _, remote := cfg.StoreOf(v.dir); remote {
				ev[v.name] = "in a bucket, which tells no bounds"
				continue
			}
			v.dir = cfg.Path(v.dir)
			volumes = append(volumes, v)
		}
		if len(volumes) == 2 {
			one, err := sameDevice(volumes[0].dir, volumes[1].dir)
			if err != nil {
				return nil, err
			}
			if one {
				both := volumes[0]
				both.name, both.need, both.files = "served and state", plus(both.need, volumes[1].need), both.files+volumes[1].files
				volumes = []volume{both}
			}
		}
		for _, v := range volumes {
			if err := v.check(ev); err != nil {
				return nil, err
			}
		}
		return ev, nil
	}}, nil
}

// volume is a file system and what is needed on it.
type volume struct {
	name, dir   string
	need, files int64
}

func (v volume) check(ev pipeline.Evidence) error {
	free, inodes, err := room(v.dir)
	if err != nil {
		return fmt.Errorf("look at the file system of %s: %w", v.dir, err)
	}
	if free < v.need {
		return config.Hint(fmt.Errorf("%s (%s): %d MiB are free, %d MiB are needed", v.name, v.dir, free>>20, ceilMiB(v.need)), "free some: gantry prune TARGET")
	}
	if inodes >= 0 && inodes < v.files {
		return config.Hint(fmt.Errorf("%s (%s): %d inodes are free, %d are needed", v.name, v.dir, inodes, v.files), "remove small files there, or prune snapshots")
	}
	ev[v.name+" needs"] = strconv.FormatInt(v.need, 10)
	ev[v.name+" has free"] = strconv.FormatInt(free, 10)
	return nil
}

// plus adds sizes; sparse files can claim more than there are numbers for.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func ceilMiB(n int64) int64 { return (n-1)>>20 + 1 }

func sameDevice(a, b string) (bool, error) {
	var at [2]unix.Stat_t
	for i, dir := range []string{a, b} {
		if err := unix.Stat(dir, &at[i]); err != nil {
			return false, fmt.Errorf("look at %s: %w", dir, err)
		}
	}
	return at[0].Dev == at[1].Dev, nil
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
