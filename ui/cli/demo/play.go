package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
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
	e       *pipeline.Engine
	cfg     *config.Release
	targets []target
	began   time.Time
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
	p := &player{Stage: s, e: e, cfg: cfg, targets: targetsIn(cfg), began: time.Now()}
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
	p.say("journal: %d events, chain whole", report.Entries)
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
		p.say("roll production of %s back", t.name)
		for _, verb := range verbs {
			if err := p.run(ctx, pipeline.Job{Verb: verb, Target: t.name}); err != nil {
				return fmt.Errorf("%s %s: %w", verb, t.name, err)
			}
		}
	}
	return nil
}

// say prints a line with the time since the beginning.
func (p *player) say(format string, args ...any) {
	fmt.Fprintf(p.Out, "%5.1fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

func (p *player) more(format string, args ...any) {
	fmt.Fprintf(p.Out, "          %s\n", fmt.Sprintf(format, args...))
}

// release works one release from its opening to its end.
func (p *player) release(ctx context.Context, version string) error {
	id, err := p.e.OpenRelease(ctx, Kind, version, time.Time{})
	if err != nil {
		return err
	}
	p.say("opened %s", id)
	seen := map[string]bool{}
	for {
		it, ok := next(p.e.View().Checklist)
		if !ok {
			break
		}
		if seen[it.ID] {
			return fmt.Errorf("%s was done and is %s again: %s", it.ID, it.Status, it.Because)
		}
		seen[it.ID] = true
		if err := p.item(ctx, it); err != nil {
			return fmt.Errorf("%s: %w", it.ID, err)
		}
		if err := p.e.Refresh(ctx); err != nil {
			return err
		}
	}
	if err := p.e.CloseRelease(ctx, false, ""); err != nil {
		return err
	}
	p.say("closed %s", id)
	return p.e.Refresh(ctx)
}

// next is the first item of a checklist that is not done yet, in its order.
func next(v checklist.View) (checklist.ItemView, bool) {
	for _, section := range v.Sections {
		for _, it := range section.Views {
			if !it.Status.Complete() {
				return it, true
			}
		}
	}
	return checklist.ItemView{}, false
}

// notes are what an operator of the demo saw.
var notes = map[string]string{"tell-subscribers": "nobody has subscribed to a demo"}

func (p *player) item(ctx context.Context, it checklist.ItemView) error {
	if it.Kind != checklist.Manual {
		return p.run(ctx, pipeline.Job{Item: it.ID})
	}
	note, ok := notes[it.ID]
	if !ok {
		note = "seen in the demo"
	}
	p.say("tick  %s  %s", it.ID, note)
	return p.e.Tick(ctx, it.ID, note)
}

// run plans a job, confirms it with the phrase on its plan where it changes
// production, and waits for its end.
func (p *player) run(ctx context.Context, j pipeline.Job) error {
	plan, err := p.e.Plan(ctx, j)
	if err != nil {
		return err
	}
	typed := ""
	if plan.Risk != checklist.Safe {
		p.plan(plan)
	}
	if plan.Guarded() {
		typed = plan.Phrase()
		p.more("typed: %s", typed)
	}
	began := time.Now()
	a, err := p.e.Start(ctx, plan, typed)
	if err != nil {
		return err
	}
	if err := a.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	if err := p.e.Refresh(ctx); err != nil {
		return err
	}
	for _, r := range p.e.View().Runs {
		if r.Intent.Run == a.ID() {
			p.ended(r, took)
		}
	}
	return nil
}

func (p *player) plan(plan pipeline.Plan) {
	p.say("%s  %s", strings.ToUpper(string(plan.Risk)), plan.Title)
	if m := plan.Move; m != nil {
		from := m.From
		if from == "" {
			from = "nothing"
		}
		p.more("%s: %s -> %s", m.Pointer, from, m.To)
	}
	for _, c := range []struct {
		sign string
		all  []pipeline.Change
	}{{"+", plan.Added}, {"~", plan.Changed}, {"-", plan.Removed}} {
		for _, one := range c.all {
			p.more("%s %s %s", c.sign, config.Inert(one.Name), config.Inert(strings.Trim(one.From+" -> "+one.To, " ->")))
		}
	}
	for _, w := range plan.Warnings {
		p.more("warning: %s", config.Inert(w))
	}
}

// ended says how a run ended and what it observed.
func (p *player) ended(r pipeline.RunView, took time.Duration) {
	what := r.Item
	if what == "" {
		what = r.Verb + ":" + r.Target
	}
	p.say("%s  %s  %.2fs", r.State(), what, took.Seconds())
	if r.Run.Ended == nil {
		return
	}
	if m := r.Run.Ended.Move; m != nil {
		p.more("%s serves %s", m.Pointer, m.To)
	}
	var seen []string
	for _, key := range slices.Sorted(maps.Keys(r.Run.Ended.Evidence)) {
		seen = append(seen, config.Inert(key+" "+r.Run.Ended.Evidence[key]))
	}
	if len(seen) > 0 {
		p.more("%s", strings.Join(seen, ", "))
	}
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
		p.say("staged version %s for %s: %d changed", Next, t.name, n)
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
	fmt.Fprintf(p.Out, "\nleft in %s:\n ", p.Dir)
	for _, name := range made[1:] {
		if _, err := os.Lstat(filepath.Join(p.Dir, name)); err == nil {
			fmt.Fprintf(p.Out, " %s", name)
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
	fmt.Fprintf(p.Out, "\ntry:\n")
	for _, line := range lines {
		fmt.Fprintf(p.Out, "  %s\n", line)
	}
}
