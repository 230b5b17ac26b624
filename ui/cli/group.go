package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
)

const together = `Several targets go together under one confirmation: all are verified before the
first moves, then they move one after another. Where one fails, the rest stays, and
what moved is told; the same command goes on with what is left, and rollback --group
takes back what moved.
`

func (a *app) promoteVerb() *cobra.Command {
	var phrase, component string
	cmd := &cobra.Command{
		Use: "promote TARGET...", GroupID: groupTargets, Short: "staging becomes production, with a confirmation",
		Long: "What staging serves becomes what clients are served.\n" + together + confirming,
		Example: "  gantry promote core-el9\n" +
			"  gantry promote --component core",
		Args: takes(0, -1, "TARGET..."), ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (component == "") {
				return &usageError{"usage: gantry promote TARGET... or gantry promote --component NAME"}
			}
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				again := "promote " + strings.Join(args, " ")
				if component != "" {
					for _, t := range cfg.Targets {
						if string(t.Component) == component {
							args = append(args, string(t.Name))
						}
					}
					again = "promote --component " + shell(component)
				}
				return a.flipAll(cmd.Context(), e, cfg, pipeline.Job{Verb: "promote"}, args, phrase, again)
			})
		},
	}
	cmd.Flags().StringVar(&component, "component", "", "every target of component `NAME`")
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase read off the plan")
	return cmd
}

func (a *app) rollbackVerb() *cobra.Command {
	var phrase, to, group string
	cmd := &cobra.Command{
		Use: "rollback TARGET...", GroupID: groupTargets, Short: "production goes back, with a confirmation",
		Long: "Production serves again what it served before, or what --to names. Where clients\n" +
			"ignore what is older, that is a newer snapshot with the same packages.\n" + together + confirming,
		Args: takes(0, -1, "TARGET..."), ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (len(args) == 0) == (group == ""):
				return &usageError{"usage: gantry rollback TARGET... or gantry rollback --group ID"}
			case to != "" && len(args) != 1:
				return &usageError{"--to goes with one target"}
			}
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if group != "" {
					jobs, err := e.Undo(cmd.Context(), group)
					if err != nil {
						return err
					}
					return a.doGroup(cmd.Context(), e, jobs, phrase, "rollback --group "+shell(group))
				}
				again := "rollback " + strings.Join(args, " ")
				if to != "" {
					again += " --to " + shell(to)
				}
				return a.flipAll(cmd.Context(), e, cfg, pipeline.Job{Verb: "rollback", To: to}, args, phrase, again)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "snapshot to go back to")
	cmd.Flags().StringVar(&group, "group", "", "take back what group `ID` moved")
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase read off the plan")
	_ = cmd.RegisterFlagCompletionFunc("to", a.completeSnapshots) // the flag is there
	return cmd
}

// flipAll does a job on one target, or on several together.
func (a *app) flipAll(ctx context.Context, e *pipeline.Engine, cfg *config.Release, j pipeline.Job, targets []string, phrase, again string) error {
	if len(targets) == 0 {
		return config.Hint(&usageError{"no target is of that component"}, "see them: gantry targets")
	}
	var jobs []pipeline.Job
	for _, name := range targets {
		if _, err := target(cfg, name); err != nil {
			return err
		}
		j.Target = name
		jobs = append(jobs, j)
	}
	if len(jobs) > 1 {
		return a.doGroup(ctx, e, jobs, phrase, again)
	}
	if err := a.do(ctx, e, j, phrase, again); err != nil {
		return err
	}
	return a.showRuns()
}

// doGroup plans jobs as a group, starts it and waits for its end.
func (a *app) doGroup(ctx context.Context, e *pipeline.Engine, jobs []pipeline.Job, phrase, again string) error {
	g, err := e.PlanGroup(ctx, jobs)
	if refused := (*pipeline.RefusedError)(nil); errors.As(err, &refused) && pipeline.IsPhrase(phrase) {
		return &pipeline.ConflictError{Reason: "the plan of that phrase is void: " + refused.Reason, Hint: refused.Hint}
	}
	if err != nil {
		return err
	}
	group, err := e.StartGroup(ctx, g, phrase)
	if err != nil {
		return a.explain(err, again)
	}
	a.follow(g.Title, group.Done(), group.Progress)
	moved, failed := group.Wait()
	if err := e.Refresh(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(failed, err)
	}
	for _, r := range e.View().Runs {
		if r.Group == group.ID() {
			log, _ := e.LogPath(r.Intent.Run) // the name is one of the engine's own
			a.made = append(a.made, newRunJSON(r, log))
			a.printRun(r)
		}
	}
	if failed != nil {
		return failed
	}
	if !a.json {
		fmt.Fprintf(a.out, "%d of %d moved; to take all of it back: %s\n", moved, len(g.Plans), a.line("rollback --group "+group.ID()))
	}
	return a.showRuns()
}

func (a *app) printGroup(g pipeline.Group) {
	fmt.Fprintf(a.out, "%s  %s\n", g.Title, a.word("PRODUCTION"))
	for _, left := range g.Left {
		fmt.Fprintf(a.out, "  left out: %s\n", config.Inert(left))
	}
	for _, p := range g.Plans {
		fmt.Fprintln(a.out)
		a.printPlan(p, false)
	}
}
