package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"gantry/checklist"
	"gantry/pipeline"
)

// Completions answer what is known and stay silent about what went wrong: a
// shell has no place for errors.

func (a *app) completeTarget(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeTargets(cmd, args, typed)
}

// completeTargets offers the targets, for verbs that take several.
func (a *app) completeTargets(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	cfg, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, t := range cfg.Targets {
		all = append(all, cobra.CompletionWithDesc(string(t.Name), string(t.Format)+" "+strings.Join(t.Places(), " ")))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeStage(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeTarget(cmd, args, begun)
	}
	return nil, cobra.ShellCompDirectiveDefault
}

func (a *app) completeKinds(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	templates := checklist.Builtin()
	if cfg, err := a.load(); err == nil {
		if own, err := pipeline.Templates(cfg); err == nil {
			templates = own
		}
	}
	var all []cobra.Completion
	for _, t := range templates {
		for _, kind := range t.Kinds {
			all = append(all, cobra.CompletionWithDesc(kind, t.Title))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// view reads the state as a console that may only look.
func (a *app) view(ctx context.Context) (v pipeline.View, ok bool) {
	cfg, err := a.load()
	if err != nil {
		return v, false
	}
	e, err := pipeline.Open(ctx, pipeline.Options{Config: cfg, Makers: a.trades.Makers, Trades: a.trades.Formats, Release: a.release, ReadOnly: true})
	if err != nil {
		return v, false
	}
	defer e.Close()
	return e.View(), true
}

func (a *app) completeItems(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	v, ok := a.view(cmd.Context())
	if !ok || len(args) > 0 && cmd.Name() != "run" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	manual := cmd.Name() == "tick"
	work := cmd.Name() == "run" || cmd.Name() == "plan" || cmd.Name() == "undo"
	early := cmd.Name() == "early"
	var all []cobra.Completion
	for _, section := range v.Checklist.Sections {
		for _, it := range section.Views {
			if manual && it.Kind != checklist.Manual || work && it.Kind == checklist.Manual || early && it.Status != checklist.StatusWaiting {
				continue
			}
			all = append(all, cobra.CompletionWithDesc(it.ID, string(it.Status)+": "+it.Title))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeRuns(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	v, ok := a.view(cmd.Context())
	if !ok || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, r := range v.Runs {
		if cmd.Name() == "runs" || r.Ended == nil {
			all = append(all, cobra.CompletionWithDesc(r.Intent.Run, r.State()+": "+r.Title))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeSnapshots(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	v, ok := a.view(cmd.Context())
	if !ok || len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, t := range v.Targets {
		if t.Name != args[0] {
			continue
		}
		for _, s := range t.Snapshots {
			if !s.Current && !s.Published.IsZero() {
				all = append(all, cobra.CompletionWithDesc(s.ID, "published "+clock(s.Published)))
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
