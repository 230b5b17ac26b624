package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// do plans a job, starts it and waits for its end. again is the command line
// that asked for it, without the phrase.
func (a *app) do(ctx context.Context, e *pipeline.Engine, j pipeline.Job, phrase, again string) error {
	plan, err := a.plan(ctx, e, j)
	if refused := (*pipeline.RefusedError)(nil); errors.As(err, &refused) && pipeline.IsPhrase(phrase) {
		// The phrase was read off a plan, which cannot be made any more.
		return &pipeline.ConflictError{Reason: "the plan of that phrase is void: " + refused.Reason, Hint: refused.Hint}
	}
	if err != nil {
		return err
	}
	run, err := e.Start(ctx, plan, phrase)
	if err != nil {
		return a.explain(err, again)
	}
	a.follow(plan.Title, run.Done(), run.Progress)
	failed := run.Wait()
	if err := e.Refresh(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(failed, err)
	}
	for _, r := range e.View().Runs {
		if r.Intent.Run == run.ID() {
			log, _ := e.LogPath(run.ID()) // the name is one of the engine's own
			a.made = append(a.made, newRunJSON(r, log))
			a.printRun(r)
		}
	}
	if failed != nil {
		failed = fmt.Errorf("%s: %w", lowerFirst(plan.Title), failed)
		if hint(failed) == "" {
			failed = config.Hint(failed, "its log: gantry runs "+run.ID())
		}
	}
	return failed
}

// plan plans a job; where that builds something aside first, a terminal shows
// how far it is.
func (a *app) plan(ctx context.Context, e *pipeline.Engine, j pipeline.Job) (pipeline.Plan, error) {
	if a.json || !a.errTTY {
		return e.Plan(ctx, j)
	}
	done := make(chan struct{})
	var plan pipeline.Plan
	var err error
	go func() {
		defer close(done)
		plan, err = e.Plan(ctx, j)
	}()
	a.follow("planning", done, func() pipeline.Status {
		for _, r := range e.View().Runs {
			if r.Own && r.Live {
				return r.Status
			}
		}
		return pipeline.Status{}
	})
	return plan, err
}

// explain prints the plan that a confirmation is missing for, and the command
// line that gives it.
func (a *app) explain(err error, again string) error {
	var confirm *pipeline.ConfirmError
	if !errors.As(err, &confirm) || a.json {
		return err
	}
	if confirm.Group != nil {
		a.printGroup(*confirm.Group)
	} else {
		a.printPlan(confirm.Plan, false)
	}
	fmt.Fprintf(a.out, "\nto confirm, in these words:\n  %s --confirm %s\n", a.line(again), shell(confirm.Phrase))
	return err
}

// line is a command line of this program with the flags that this one had.
func (a *app) line(verb string) string {
	parts := []string{"gantry"}
	if a.config != "release.yaml" {
		parts = append(parts, "-C", shell(a.config))
	}
	if a.release != "" {
		parts = append(parts, "--release", shell(a.release))
	}
	return strings.Join(append(parts, verb), " ")
}

// shell quotes a word for a POSIX shell where it needs that.
func shell(word string) string {
	plain := word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:@%+,", r))
	}) < 0
	if plain {
		return word
	}
	if !strings.ContainsAny(word, "\"$`\\!") {
		return `"` + word + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// namedChanges is how many changes of a kind are named where the plan is only
// shown on the way.
const namedChanges = 40

func (a *app) printPlan(p pipeline.Plan, all bool) {
	fmt.Fprintf(a.out, "%s  %s\n", p.Title, a.riskWord(p.Risk))
	if p.Move != nil {
		fmt.Fprintf(a.out, "  %s  %s -> %s\n", p.Move.Pointer, orNothing(p.Move.From), orNothing(p.Move.To))
	}
	n := p.Count()
	if p.Move != nil || n != (pipeline.Counts{}) {
		fmt.Fprintf(a.out, "  %d added, %d changed, %d removed, %s\n", n.Added, n.Changed, n.Removed, size(p.Bytes))
	}
	a.printParts(p.Parts)
	a.printChanges("+", green, p.Added, all)
	a.printChanges("~", yellow, p.Changed, all)
	a.printChanges("-", red, p.Removed, all)
	if named := len(p.Added) + len(p.Changed) + len(p.Removed); named > 0 && named < n.Added+n.Changed+n.Removed {
		fmt.Fprintf(a.out, "    these %d are the notable ones\n", named)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Facts)) {
		fmt.Fprintf(a.out, "  %s: %s\n", config.Inert(key), config.Inert(p.Facts[key]))
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.out, "  %s %s\n", a.paint(a.outTTY, yellow, "warning:"), config.Inert(w))
	}
	for _, alarm := range p.Alarms {
		fmt.Fprintf(a.out, "  %s %s\n", a.paint(a.outTTY, red, "!"+alarm.Word+":"), config.Inert(alarm.Text))
	}
}

// printParts prints the counts of a plan by its parts.
func (a *app) printParts(parts []pipeline.Part) {
	var rows [][]string
	for _, p := range parts {
		rows = append(rows, []string{"    " + config.Inert(p.Name), fmt.Sprintf("+%d", p.Added), fmt.Sprintf("~%d", p.Changed), fmt.Sprintf("-%d", p.Removed), size(p.Bytes)})
	}
	a.table(rows)
}

func (a *app) riskWord(r checklist.Risk) string {
	if r == checklist.Production {
		return a.word("PRODUCTION")
	}
	return a.word(string(r))
}

func (a *app) printChanges(sign, colour string, changes []pipeline.Change, all bool) {
	var rows [][]string
	for i, c := range changes {
		if i == namedChanges && !all {
			break
		}
		version := c.To
		switch {
		case c.From != "" && c.To != "":
			version = c.From + " -> " + c.To
		case c.To == "":
			version = c.From
		}
		if c.Down {
			version += "  goes down"
		}
		rows = append(rows, []string{"    " + a.paint(a.outTTY, colour, sign) + " " + config.Inert(c.Name), config.Inert(version)})
	}
	a.table(rows)
	if left := len(changes) - len(rows); left > 0 {
		fmt.Fprintf(a.out, "    %s and %d more: gantry plan --all names them\n", a.paint(a.outTTY, colour, sign), left)
	}
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// printRun says how a run ended and what it observed.
func (a *app) printRun(r pipeline.RunView) {
	if a.json {
		return
	}
	fmt.Fprintf(a.out, "%s  %s  %s\n", a.word(r.State()), r.Title, span(r.EndedAt.Sub(r.Started)))
	if r.Run.Ended == nil {
		return
	}
	if m := r.Run.Ended.Move; m != nil {
		fmt.Fprintf(a.out, "    %s: %s -> %s\n", a.word(m.Pointer), orNothing(m.From), m.To)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Run.Ended.Evidence)) {
		fmt.Fprintf(a.out, "    %s: %s\n", config.Inert(key), config.Inert(r.Run.Ended.Evidence[key]))
	}
}

// showRuns prints the runs that were made, for programs; a person has seen them.
func (a *app) showRuns() error {
	return a.show(runsJSON{Runs: list(a.made)}, func() {})
}
