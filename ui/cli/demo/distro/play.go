package distro

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo/walk"
)

// Stage is what Play plays on.
type Stage struct {
	Dir    string // of a demo that was just made
	Patch  bool
	Clock  *Clock
	Open   func(ctx context.Context, cfg *config.Release, release string, now func() time.Time) (*pipeline.Engine, error)
	Out    io.Writer              // is told line by line what happens
	Opened func(*pipeline.Engine) // is given each engine; may be nil
}

// Play plays a demo to its end, as operators would by hand: the release of 9.7
// beside the patch day of 10.1, or a patch day of both. The server of the demo
// must be up.
func Play(ctx context.Context, s Stage) error {
	cfg, err := config.Load(filepath.Join(s.Dir, "release.yaml"))
	if err != nil {
		return err
	}
	p := &player{Stage: s, cfg: cfg, began: time.Now()}
	if s.Patch {
		return p.patchDay(ctx)
	}
	return p.releaseDay(ctx)
}

type player struct {
	Stage
	cfg   *config.Release
	began time.Time
}

// at does something in a release, which is opened where nobody did yet. Each has
// a console of its own, as several operators would.
func (p *player) at(ctx context.Context, kind, version string, do func(*walk.Walker) error) (err error) {
	id := kind + "-" + version
	e, err := p.Open(ctx, p.cfg, "", p.Clock.Now)
	if err != nil {
		return err
	}
	known := false
	for _, r := range e.View().Open {
		known = known || r.ID == id
	}
	if !known {
		due := time.Time{}
		if kind == "release-day" {
			due = p.Clock.Now().Add(72 * time.Hour)
		}
		if _, err := e.OpenRelease(ctx, kind, version, due); err != nil {
			return errors.Join(err, e.Close())
		}
	}
	if err := e.Close(); err != nil {
		return err
	}
	if e, err = p.Open(ctx, p.cfg, id, p.Clock.Now); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if p.Opened != nil {
		p.Opened(e)
	}
	w := &walk.Walker{Engine: e, Out: p.Out, Began: p.began, Note: note}
	if known {
		w.Say("back to %s", id)
	} else {
		w.Say("opened %s", id)
	}
	return do(w)
}

// until walks up to an item.
func until(ctx context.Context, item string) func(*walk.Walker) error {
	return func(w *walk.Walker) error {
		return w.Release(ctx, func(it checklist.ItemView) bool { id, _, _ := strings.Cut(it.ID, ":"); return id == item })
	}
}

// whole walks to the end and closes the release.
func whole(ctx context.Context) func(*walk.Walker) error {
	return func(w *walk.Walker) error {
		if err := w.Release(ctx, nil); err != nil {
			return err
		}
		if err := w.Engine.CloseRelease(ctx, false, ""); err != nil {
			return err
		}
		w.Say("closed")
		return nil
	}
}

// refused makes sure that an item may not be done now, and tells why.
func refused(ctx context.Context, item string) func(*walk.Walker) error {
	return func(w *walk.Walker) error {
		plan, err := w.Engine.Plan(ctx, pipeline.Job{Item: item})
		if err == nil {
			var a *pipeline.Active
			if a, err = w.Engine.Start(ctx, plan, plan.Phrase()); err == nil {
				a.Wait()
				return fmt.Errorf("%s was done, though it must not be yet", item)
			}
		}
		w.Say("REFUSED  %s: %v", item, err)
		return nil
	}
}

// releaseDay plays the final release of 9.7, with the patch day of 10.1 beside
// it: file lists wait for both.
func (p *player) releaseDay(ctx context.Context) error {
	for _, act := range []struct {
		kind, version string
		do            func(*walk.Walker) error
	}{
		{"patch", tens, until(ctx, "promote")},
		{"final", final, until(ctx, "file-lists")},
		{"final", final, refused(ctx, "file-lists")}, // 10.1 is not in production yet
		{"patch", tens, whole(ctx)},
		{"final", final, until(ctx, "bitflip")},
		{"release-day", nines, until(ctx, "website")},
		{"final", final, refused(ctx, "bitflip:rocky-9")}, // it is too early
		{"final", final, p.forward(ctx)},
		{"final", final, whole(ctx)},
		{"release-day", nines, whole(ctx)},
	} {
		if err := p.at(ctx, act.kind, act.version, act.do); err != nil {
			return err
		}
	}
	return p.end(ctx)
}

// forward sets the clock to when the bitflip may be done.
func (p *player) forward(ctx context.Context) func(*walk.Walker) error {
	return func(w *walk.Walker) error {
		it, ok := w.Engine.View().Checklist.Item("bitflip:rocky-9")
		if !ok {
			return errors.New("the release has no bitflip")
		}
		p.Clock.Forward(it.Opens.Add(time.Second))
		w.Say("the clock is set forward to %s", p.Clock.Now().UTC().Format("2006-01-02 15:04 MST"))
		return w.Engine.Refresh(ctx)
	}
}

// patchDay plays a patch day of 9.7 and 10.1, and a rollback of the first.
func (p *player) patchDay(ctx context.Context) error {
	for _, act := range []struct {
		kind, version string
		do            func(*walk.Walker) error
	}{
		{"patch", nines, until(ctx, "promote")},
		{"patch", nines, p.review(ctx, "rocky-9")},
		{"patch", tens, until(ctx, "promote")},
		{"patch", nines, until(ctx, "updates-sent")},
		{"patch", tens, whole(ctx)},
		{"patch", nines, whole(ctx)},
	} {
		if err := p.at(ctx, act.kind, act.version, act.do); err != nil {
			return err
		}
	}
	return p.end(ctx)
}

// review tells what the patch day brings to a target.
func (p *player) review(ctx context.Context, target string) func(*walk.Walker) error {
	return func(w *walk.Walker) error {
		r, err := w.Engine.Review(ctx, target)
		if err != nil {
			return err
		}
		w.Say("review of %s: %s against %s", target, r.To, r.From)
		for _, repo := range r.Repos {
			w.More("%s %s", repo.Name, repo.Arch)
			for _, c := range []struct {
				word string
				all  []pipeline.ReviewedPackage
			}{{"added", repo.Added}, {"upgraded", repo.Upgraded}, {"DOWNGRADED", repo.Downgraded}, {"REMOVED", repo.Removed}} {
				for _, one := range c.all {
					w.More("  %-10s %s %s %s", c.word, config.Inert(one.Name), config.Inert(strings.Trim(one.From+" -> "+one.To, " ->")), config.Inert(strings.Join(one.Advisories, " ")))
				}
			}
		}
		return nil
	}
}

// end verifies the journal, and says what is left to look at.
func (p *player) end(ctx context.Context) (err error) {
	e, err := p.Open(ctx, p.cfg, "", p.Clock.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	report, err := e.VerifyHistory(ctx)
	if err != nil {
		return err
	}
	if len(report.Damage) > 0 {
		return fmt.Errorf("the journal is damaged after %d events", report.Entries)
	}
	w := &walk.Walker{Engine: e, Out: p.Out, Began: p.began}
	w.Say("journal: %d events, chain whole", report.Entries)
	at := "gantry -C " + filepath.Join(p.Dir, "release.yaml")
	fmt.Fprintf(p.Out, "\ntry:\n  %s\n  %s history\n  %s report --release %s\n  %s review rocky-9\n  %s rollback rocky-9\n", at, at, at, map[bool]string{false: "final-" + final, true: "patch-" + nines}[p.Patch], at, at)
	return nil
}

// note is what the operator of a demo saw of a manual item, in the form that it
// wants.
func note(it checklist.ItemView) string {
	switch it.ID {
	case "checklist-executed":
		return "final-" + final + ": all but the bitflip"
	case "marketplace-images":
		return "https://aws.rocky.example/marketplace/9.7: ami-0a1b2c3d4e5f60718 in us-east-1"
	case "container-images":
		return "https://quay.rocky.example/rockylinux:9.7 at sha256:" + strings.Repeat("0f", 32)
	case "testing-team":
		return "https://testing.rocky.example/9.7-RC2: pass on x86_64 and aarch64, by the Testing Team"
	}
	return "https://rocky.example/" + it.ID + ": seen in the demo"
}

// Release is one that a demo begins with.
type Release struct {
	Kind, Version string
	Due           time.Duration // from the beginning
}

// Releases are those that are worked on from the beginning, the main one first.
// The final release is due after its bitflip, which the clock is set forward to.
func Releases(patch bool) []Release {
	if patch {
		return []Release{{"patch", nines, 26 * time.Hour}, {"patch", tens, 27 * time.Hour}}
	}
	return []Release{{"final", final, 25*time.Hour + 30*time.Minute}, {"patch", tens, 27 * time.Hour}}
}
