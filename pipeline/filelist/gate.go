package filelist

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// quiet refuses while a tree is being synced, or was left in the middle of it.
func (s *step) quiet(ctx context.Context, env *pipeline.Env) error {
	busy := env.Busy()
	for _, t := range s.trees {
		if name := string(t.Name); name != s.own && slices.Contains(busy, name) {
			return refused(name+" is in the middle of a run", "wait for it, or settle it: gantry runs; then plan again")
		}
		served, err := env.Served(t)
		if err != nil {
			return err
		}
		if _, err := served.Pointer(ctx, "production"); err != nil {
			return fmt.Errorf("look at production of %s: %w", t.Name, err)
		}
		parted, ok := served.(storage.Parted)
		if !ok {
			continue
		}
		if apart := parted.Apart(); len(apart) > 0 {
			return refused(fmt.Sprintf("%s is in the middle of a sync: %s", t.Name, strings.Join(apart, "; ")), "bring the sync to its end, then plan again")
		}
	}
	return nil
}

// synced refuses while a release that is worked on has a sync to production
// before it: the lists tell mirrors to come, and they come once.
func (s *step) synced(ctx context.Context, env *pipeline.Env) error {
	for _, view := range env.Open(ctx) {
		for _, section := range view.Sections {
			for _, it := range section.Views {
				if it.Uses != "promote" || it.Status.Complete() || !s.about(it.Target) {
					continue
				}
				return refused(fmt.Sprintf("release %s has not done %s of %s: it is %s", view.Release.ID, it.Title, config.Inert(it.Target), it.Status),
					"sync every open release first, or say why one is left out: gantry skip ITEM --reason ..., or close it: gantry close --abort")
			}
		}
	}
	return nil
}

func (s *step) about(target string) bool {
	return slices.ContainsFunc(s.trees, func(t *config.Target) bool { return string(t.Name) == target })
}
