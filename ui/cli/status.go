package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func (a *app) statusVerb() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "status", GroupID: groupRelease, Short: "where the release stands",
		Long: "Where the release stands: the line, the targets, and what is next. Fits a terminal\nof 24 lines; --all lists every item.",
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "every item of the checklist")
	return cmd
}

func (a *app) status(ctx context.Context, all bool) error {
	return a.with(ctx, func(e *pipeline.Engine, _ *config.Release) error {
		v := e.View()
		return a.show(newStatusJSON(v, e.LiftPhrase()), func() { a.printStatus(v, all) })
	})
}

// How many items and targets fit on a terminal of 24 lines beside the rest.
const (
	nextItems     = 10
	statusTargets = 5
)

func (a *app) printStatus(v pipeline.View, all bool) {
	fmt.Fprintln(a.out, a.paint(a.outTTY, bold, v.Product)+"  "+a.releaseLine(v))
	if v.Hold != nil {
		fmt.Fprintf(a.out, "%s by %s since %s: %s\n", a.paint(a.outTTY, red, "HOLD"), v.Hold.Actor, clock(v.Hold.Time), config.Inert(v.Hold.Reason))
	}
	for _, t := range v.Trouble {
		fmt.Fprintf(a.out, "%s %s\n", a.paint(a.outTTY, red, "TROUBLE"), config.Inert(t))
	}
	if g := v.Partial; g != nil {
		fmt.Fprintf(a.out, "%s %s of %s is not whole: %d of %d moved; go on with what is left, or take it back: %s\n",
			a.paint(a.outTTY, red, "PARTIAL"), g.Verb, strings.Join(g.Targets, " "), len(g.Moved), len(g.Targets), a.line("rollback --group "+g.Group))
	}
	fmt.Fprintln(a.out)
	targets := v.Targets
	if !all && len(targets) > statusTargets {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t pipeline.TargetView) bool { return targetState(t) == inStep && len(t.Warnings) == 0 })
		targets = targets[:min(len(targets), statusTargets)]
	}
	a.printTargets(targets)
	if left := len(v.Targets) - len(targets); left > 0 {
		fmt.Fprintf(a.out, "and %d more: gantry targets\n", left)
	}
	for _, r := range v.Runs {
		if s := r.State(); s == "running" || s == "unknown" {
			fmt.Fprintf(a.out, "%s  %s  %s  %s by %s  %s\n", a.word(s), r.Intent.Run, r.Verb, r.Target, r.Actor, progressLine(r.Status))
		}
	}
	if v.Checklist.Release == nil {
		return
	}
	fmt.Fprintln(a.out)
	a.printItems(v, all)
}

func (a *app) releaseLine(v pipeline.View) string {
	r := v.Checklist.Release
	switch {
	case r != nil:
		line := fmt.Sprintf("%s  %d/%d done  opened by %s", r.ID, v.Checklist.Done, v.Checklist.Total, r.OpenedBy)
		if !r.Due.IsZero() {
			line += "  due " + clock(r.Due) + " (" + tMinus(r.Due.Sub(v.Now)) + ")"
		}
		return line
	case len(v.Open) == 0:
		return "no release is open: gantry open KIND VERSION"
	default:
		ids := make([]string, len(v.Open))
		for i, r := range v.Open {
			ids[i] = r.ID
		}
		return "several releases are open, choose with --release: " + strings.Join(ids, ", ") + "; gantry day shows all"
	}
}

// tMinus is the time to go as a countdown: T-02:14, or T+ when it is over.
func tMinus(d time.Duration) string {
	sign := "T-"
	if d < 0 {
		sign, d = "T+", -d
	}
	minutes := int(d.Minutes())
	return fmt.Sprintf("%s%02d:%02d", sign, minutes/60, minutes%60)
}

func (a *app) printTargets(targets []pipeline.TargetView) {
	rows := [][]string{a.head("TARGET", "STAGING", "PRODUCTION", "STATE")}
	for _, t := range targets {
		state := targetState(t)
		if t.Drift != "" {
			state = a.paint(a.outTTY, red, "DRIFT") + " " + t.Drift
		}
		if t.Unseen != "" {
			state = a.paint(a.outTTY, red, "UNSEEN") + " " + t.Unseen
		}
		rows = append(rows, []string{t.Name, orDash(t.Label(t.Staging)), orDash(t.Label(t.Production)), state})
	}
	a.table(rows)
	for _, t := range targets {
		for _, w := range t.Warnings {
			fmt.Fprintf(a.out, "%s %s: %s\n", a.paint(a.outTTY, red, "WARNING"), t.Name, w)
		}
	}
}

const inStep = "in step" // production serves the packages of staging

func targetState(t pipeline.TargetView) string {
	switch {
	case t.Unseen != "":
		return "unseen"
	case t.Drift != "":
		return "drift"
	case t.Busy != "":
		return "busy with " + t.Busy
	case len(t.Apart) > 0:
		return "half done"
	case !t.InStep():
		return "staging differs"
	case t.Production == "":
		return "empty"
	}
	return inStep
}

func (a *app) printItems(v pipeline.View, all bool) {
	var rows [][]string
	left := 0
	for _, section := range v.Checklist.Sections {
		if all {
			rows = append(rows, []string{a.paint(a.outTTY, bold, section.Title)})
		}
		for _, it := range section.Views {
			if !all && it.Status.Complete() {
				continue
			}
			if !all && len(rows) == nextItems {
				left++
				continue
			}
			rows = append(rows, a.itemRow(it))
		}
	}
	if len(rows) == 0 {
		fmt.Fprintln(a.out, "every item is done: gantry close")
		return
	}
	a.table(rows)
	if left > 0 {
		fmt.Fprintf(a.out, "and %d more: gantry status --all\n", left)
	}
}

func (a *app) itemRow(it checklist.ItemView) []string {
	title := it.Title
	if it.Risk == checklist.Production {
		title += "  " + a.paint(a.outTTY, red, "PRODUCTION")
	}
	if it.Late {
		title += "  " + a.paint(a.outTTY, red, "LATE")
	}
	if it.Because != "" {
		title += "  " + a.paint(a.outTTY, faint, "("+config.Inert(it.Because)+")")
	} else if who, _, note := itemBy(it); note != "" && it.Status.Complete() {
		title += "  " + a.paint(a.outTTY, faint, who+": "+config.Inert(note))
	}
	return []string{"  " + a.word(string(it.Status)), it.ID, string(it.Kind), title}
}

// itemBy is who last did something to an item, when, and what they said.
func itemBy(it checklist.ItemView) (who string, when time.Time, note string) {
	s := it.State
	switch {
	case s == nil:
		return "", time.Time{}, ""
	case s.Waived != nil:
		return s.Waived.Actor, s.Waived.Time, s.Waived.Note
	case s.Ticked != nil:
		return s.Ticked.Actor, s.Ticked.Time, s.Ticked.Note
	case s.Run != nil:
		when = s.Run.EndedAt
		if when.IsZero() {
			when = s.Run.Started
		}
		return s.Run.Actor, when, ""
	}
	return "", time.Time{}, ""
}

func newStatusJSON(v pipeline.View, lift string) statusJSON {
	j := statusJSON{
		Product: v.Product, Open: []string{}, Items: []itemJSON{}, Targets: []targetJSON{}, Runs: []runJSON{},
		Trouble: list(v.Trouble), Head: v.Head,
	}
	for _, r := range v.Open {
		j.Open = append(j.Open, r.ID)
	}
	if r := v.Checklist.Release; r != nil {
		j.Release = &releaseJSON{
			ID: r.ID, Kind: r.Kind, Version: r.Version, Title: r.Checklist.Title, Due: r.Due,
			OpenedBy: r.OpenedBy, OpenedAt: r.OpenedAt, ClosedAt: r.ClosedAt,
			Done: v.Checklist.Done, Total: v.Checklist.Total,
		}
	}
	if v.Hold != nil {
		j.Hold = &holdJSON{Actor: v.Hold.Actor, Time: v.Hold.Time, Reason: v.Hold.Reason, Phrase: lift}
	}
	if g := v.Partial; g != nil {
		j.Partial = &groupJSON{ID: g.Group, Verb: g.Verb, Targets: g.Targets, Moved: []string{}, Actor: g.Actor, Started: g.Started}
		for _, name := range g.Targets {
			if _, ok := g.Moved[name]; ok {
				j.Partial.Moved = append(j.Partial.Moved, name)
			}
		}
		if g.Ended != nil {
			j.Partial.Error = g.Ended.Error
		}
	}
	for _, section := range v.Checklist.Sections {
		for _, it := range section.Views {
			j.Items = append(j.Items, newItemJSON(section.Title, it))
		}
	}
	for _, t := range v.Targets {
		j.Targets = append(j.Targets, newTargetJSON(t))
	}
	for _, r := range v.Runs {
		if s := r.State(); s == "running" || s == "unknown" {
			j.Runs = append(j.Runs, newRunJSON(r, ""))
		}
	}
	return j
}

func newItemJSON(section string, it checklist.ItemView) itemJSON {
	j := itemJSON{
		ID: it.ID, Section: section, Title: it.Title, Kind: string(it.Kind), Risk: string(it.Risk), Target: it.Target,
		Status: string(it.Status), Because: it.Because, Killer: it.Killer, Opens: it.Opens, Closes: it.Closes, Late: it.Late,
	}
	j.Who, j.When, j.Note = itemBy(it)
	if it.State != nil && it.State.Run != nil {
		j.Run = it.State.Run.Intent.Run
	}
	return j
}

// label is the other name of a snapshot, empty where it has none.
func label(t pipeline.TargetView, id string) string {
	if name := t.Label(id); name != id {
		return name
	}
	return ""
}

func newTargetJSON(t pipeline.TargetView) targetJSON {
	return targetJSON{
		Name: t.Name, Format: t.Format, URL: t.URL, Staging: t.Staging, Production: t.Production,
		StagingLabel: label(t, t.Staging), ProductionLabel: label(t, t.Production),
		Revision: t.Journal.Revision, Unseen: t.Unseen, Drift: t.Drift, Warnings: t.Warnings, Busy: t.Busy, Snapshots: len(t.Snapshots),
	}
}
