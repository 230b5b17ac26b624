// Package walk works the releases of a demo as an operator would by hand, and
// tells line by line what happens.
package walk

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Walker walks the checklist of a release.
type Walker struct {
	Engine *pipeline.Engine
	Out    io.Writer
	Began  time.Time
	// Note is what the operator saw of a manual item.
	Note func(it checklist.ItemView) string
}

// Say prints a line with the time since the beginning.
func (w *Walker) Say(format string, args ...any) {
	fmt.Fprintf(w.Out, "%5.1fs  %s\n", time.Since(w.Began).Seconds(), fmt.Sprintf(format, args...))
}

// More prints a line that belongs to the one before.
func (w *Walker) More(format string, args ...any) {
	fmt.Fprintf(w.Out, "          %s\n", fmt.Sprintf(format, args...))
}

// Release works the engine's release until stop says so of the next item, or to
// its end; stop may be nil.
func (w *Walker) Release(ctx context.Context, stop func(checklist.ItemView) bool) error {
	seen := map[string]bool{}
	for {
		it, ok := w.Engine.View().Checklist.Next()
		if !ok || stop != nil && stop(it) {
			return nil
		}
		if seen[it.ID] {
			return fmt.Errorf("%s was done and is %s again: %s", it.ID, it.Status, it.Because)
		}
		seen[it.ID] = true
		if err := w.item(ctx, it); err != nil {
			return fmt.Errorf("%s: %w", it.ID, err)
		}
		if err := w.Engine.Refresh(ctx); err != nil {
			return err
		}
	}
}

func (w *Walker) item(ctx context.Context, it checklist.ItemView) error {
	if it.Kind != checklist.Manual {
		return w.Run(ctx, pipeline.Job{Item: it.ID})
	}
	note := w.Note(it)
	w.Say("tick  %s  %s", it.ID, note)
	return w.Engine.Tick(ctx, it.ID, note)
}

// Run plans a job, confirms it with the phrase on its plan where it wants one,
// and waits for its end.
func (w *Walker) Run(ctx context.Context, j pipeline.Job) error {
	plan, err := w.Engine.Plan(ctx, j)
	if err != nil {
		return err
	}
	typed := ""
	if plan.Risk != checklist.Safe {
		w.plan(plan)
	}
	if plan.Guarded() {
		typed = plan.Phrase()
		w.More("typed: %s", typed)
	}
	began := time.Now()
	a, err := w.Engine.Start(ctx, plan, typed)
	if err != nil {
		return err
	}
	if err := a.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	if err := w.Engine.Refresh(ctx); err != nil {
		return err
	}
	for _, r := range w.Engine.View().Runs {
		if r.Intent.Run == a.ID() {
			w.ended(r, took)
		}
	}
	return nil
}

func (w *Walker) plan(plan pipeline.Plan) {
	w.Say("%s  %s", strings.ToUpper(string(plan.Risk)), plan.Title)
	if m := plan.Move; m != nil {
		from := m.From
		if from == "" {
			from = "nothing"
		}
		w.More("%s: %s -> %s", m.Pointer, from, m.To)
	}
	for _, part := range plan.Parts {
		w.More("%-28s +%d ~%d -%d", config.Inert(part.Name), part.Added, part.Changed, part.Removed)
	}
	if len(plan.Parts) == 0 {
		for _, c := range []struct {
			sign string
			all  []pipeline.Change
		}{{"+", plan.Added}, {"~", plan.Changed}, {"-", plan.Removed}} {
			for _, one := range c.all {
				w.More("%s %s %s", c.sign, config.Inert(one.Name), config.Inert(strings.Trim(one.From+" -> "+one.To, " ->")))
			}
		}
	}
	for _, warning := range plan.Warnings {
		w.More("warning: %s", config.Inert(warning))
	}
	for _, a := range plan.Alarms {
		w.More("ALARM %s: %s", a.Word, config.Inert(a.Text))
	}
}

// ended says how a run ended and what it observed.
func (w *Walker) ended(r pipeline.RunView, took time.Duration) {
	what := r.Item
	if what == "" {
		what = r.Verb + ":" + r.Target
	}
	w.Say("%s  %s  %.2fs", r.State(), what, took.Seconds())
	if r.Run.Ended == nil {
		return
	}
	if m := r.Run.Ended.Move; m != nil {
		w.More("%s serves %s", m.Pointer, m.To)
	}
	var seen []string
	for _, key := range slices.Sorted(maps.Keys(r.Run.Ended.Evidence)) {
		seen = append(seen, config.Inert(key+" "+r.Run.Ended.Evidence[key]))
	}
	if len(seen) > 0 {
		w.More("%s", strings.Join(seen, ", "))
	}
}
