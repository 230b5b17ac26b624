package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo/walk"
)

// Stage is what Play plays on.
type Stage struct {
	Dir  string // of a demo that was just made
	Open Opener
	Out  io.Writer // is told line by line what happens

	Opened func(*pipeline.Engine) // is given the engine; may be nil
}

// player plays one demo.
type player struct {
	Stage
	walk.Walker
	e       *pipeline.Engine
	cfg     *config.Release
	targets []target
}

// Play plays the releases of a demo to their end, as an operator would by hand:
// the first version through its whole checklist, then the next with one package
// changed, then a rollback of each target and its way forward again. It leaves
// the demo to explore, with the first target rolled back. Where there is an image,
// the demo's server must be up.
func Play(ctx context.Context, s Stage) error {
	cfg, err := config.Load(filepath.Join(s.Dir, "release.yaml"))
	if err != nil {
		return err
	}
	e, err := s.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if s.Opened != nil {
		s.Opened(e)
	}
	p := &player{
		Stage: s, e: e, cfg: cfg, targets: targetsIn(cfg),
		Walker: walk.Walker{Engine: e, Out: s.Out, Began: time.Now(), Note: seen},
	}
	return errors.Join(p.play(ctx), e.Close())
}

func (p *player) play(ctx context.Context) error {
	if err := p.release(ctx, Version); err != nil {
		return err
	}
	if err := p.stageNext(ctx); err != nil {
		return err
	}
	if err := p.release(ctx, Next); err != nil {
		return err
	}
	if err := p.back(ctx); err != nil {
		return err
	}
	report, err := p.e.VerifyHistory(ctx)
	if err != nil {
		return err
	}
	if len(report.Damage) > 0 {
		return fmt.Errorf("the journal is damaged after %d events", report.Entries)
	}
	p.Say("journal: %d events, chain whole", report.Entries)
	p.end()
	return nil
}

// back rolls each target back and promotes it again, the first one last and only
// back, so that there is something to do. After each flip production is verified.
func (p *player) back(ctx context.Context) error {
	for _, t := range append(slices.Clone(p.targets[1:]), p.targets[0]) {
		verbs := []string{"rollback", "verify", "promote", "verify"}
		if t == p.targets[0] {
			verbs = verbs[:2]
		}
		p.Say("roll production of %s back", t.name)
		for _, verb := range verbs {
			if err := p.Run(ctx, pipeline.Job{Verb: verb, Target: t.name}); err != nil {
				return fmt.Errorf("%s %s: %w", verb, t.name, err)
			}
		}
	}
	return nil
}

// release works one release from its opening to its end.
func (p *player) release(ctx context.Context, version string) error {
	id, err := p.e.OpenRelease(ctx, Kind, version, time.Time{})
	if err != nil {
		return err
	}
	p.Say("opened %s", id)
	if err := p.Walker.Release(ctx, nil); err != nil {
		return err
	}
	if err := p.e.CloseRelease(ctx, false, ""); err != nil {
		return err
	}
	p.Say("closed %s", id)
	return p.e.Refresh(ctx)
}

// seen is what an operator of the demo saw of an item.
func seen(it checklist.ItemView) string {
	if it.ID == "tell-subscribers" {
		return "nobody has subscribed to a demo"
	}
	return "seen in the demo"
}

// stageNext stages what changed. Where the staged set is the whole target, what
// it replaces goes.
func (p *player) stageNext(ctx context.Context) error {
	for _, t := range p.targets {
		if err := p.unstage(ctx, t); err != nil {
			return err
		}
		n, err := stage(ctx, p.e, p.Dir, Next, t)
		if err != nil {
			return err
		}
		p.Say("staged version %s for %s: %d changed", Next, t.name, n)
	}
	return nil
}

// unstage removes what the next version is about to replace.
func (p *player) unstage(ctx context.Context, t target) error {
	staged, err := p.e.Artifacts(ctx, t.name)
	if err != nil {
		return err
	}
	for _, a := range staged {
		if !t.replaces(a.File) {
			continue
		}
		if err := p.e.RemoveArtifact(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// end says what is left to look at.
func (p *player) end() {
	fmt.Fprintf(p.Stage.Out, "\nleft in %s:\n ", p.Dir)
	for _, name := range made[1:] {
		if _, err := os.Lstat(filepath.Join(p.Dir, name)); err == nil {
			fmt.Fprintf(p.Stage.Out, " %s", name)
		}
	}
	at := "gantry -C " + word(filepath.Join(p.Dir, "release.yaml"))
	lines := []string{
		at,
		at + " targets",
		at + " report --release " + Kind + "-" + Next,
		at + " clients " + p.targets[0].name,
		at + " promote " + p.targets[0].name,
		"gantry demo --serve 127.0.0.1:8080 --dir " + word(p.Dir),
	}
	last := config.Format("")
	for _, t := range p.targets {
		if t.format != last { // one of each format
			lines = append(lines, t.try(p.Dir, registryOf(p.cfg), string(p.cfg.Product)))
		}
		last = t.format
	}
	fmt.Fprintf(p.Stage.Out, "\ntry:\n")
	for _, line := range lines {
		fmt.Fprintf(p.Stage.Out, "  %s\n", line)
	}
}
