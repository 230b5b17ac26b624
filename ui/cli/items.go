package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
)

func (a *app) itemVerbs() []*cobra.Command {
	return []*cobra.Command{a.runVerb(), a.planVerb(), a.undoVerb(), a.tickVerb(), a.skipVerb(), a.earlyVerb(), a.clearVerb()}
}

// job reads what run and plan take: the id of an item of the release, or
// VERB:TARGET for work outside it.
func job(e *pipeline.Engine, arg string) pipeline.Job {
	if _, ok := e.View().Checklist.Item(arg); ok {
		return pipeline.Job{Item: arg}
	}
	verb, target, _ := strings.Cut(arg, ":")
	switch verb {
	case "build", "stage", "verify", "promote", "rollback", "refresh", "prune":
		return pipeline.Job{Verb: verb, Target: target}
	}
	return pipeline.Job{Item: arg}
}

func (a *app) runVerb() *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: "run ITEM...", GroupID: groupItems, Short: "run checks and steps, one after another",
		Long: "Runs checks and steps of the release one after another and stops at the first that\nfails. Outside a release VERB:TARGET (build:core-el9) runs a verb. A step that changes\nproduction wants the phrase of its plan.",
		Example: "  gantry run gpg-key staged:core-el9\n" +
			"  gantry run build:core-el9 stage:core-el9",
		Args: takes(1, -1, "ITEM..."), ValidArgsFunction: a.completeItems,
		RunE: func(cmd *cobra.Command, args []string) error {
			if phrase != "" && len(args) > 1 {
				return &usageError{"a phrase confirms one plan: give one item with --confirm"}
			}
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				for _, arg := range args {
					if err := a.do(cmd.Context(), e, job(e, arg), phrase, "run "+shell(arg)); err != nil {
						return err
					}
				}
				return a.showRuns()
			})
		},
	}
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase read off the plan")
	return cmd
}

func (a *app) undoVerb() *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: "undo ITEM", GroupID: groupItems, Short: "take back what a step did, where that can be",
		Long: "Takes back what a step of the release did: a promotion is rolled back, a sync undone, a\n" +
			"directory closed again. It is planned and confirmed like the step itself, and the item\n" +
			"is to be done anew. See it first: gantry plan --undo ITEM.",
		Args: takes(1, 1, "ITEM"), ValidArgsFunction: a.completeItems,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if err := a.do(cmd.Context(), e, pipeline.Job{Item: args[0], Undo: true}, phrase, "undo "+shell(args[0])); err != nil {
					return err
				}
				return a.showRuns()
			})
		},
	}
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase read off the plan")
	return cmd
}

func (a *app) planVerb() *cobra.Command {
	var all, undo bool
	cmd := &cobra.Command{
		Use: "plan ITEM", GroupID: groupItems, Short: "what a step would change, without doing it",
		Args: takes(1, 1, "ITEM"), ValidArgsFunction: a.completeItems,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				j := job(e, args[0])
				j.Undo = undo
				plan, err := a.plan(cmd.Context(), e, j)
				if err != nil {
					return err
				}
				return a.show(newPlanJSON(plan), func() {
					a.printPlan(plan, all)
					if plan.Guarded() {
						fmt.Fprintf(a.out, "  phrase  %s\n", a.paint(a.outTTY, bold, plan.Phrase()))
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "name everything, however long")
	cmd.Flags().BoolVar(&undo, "undo", false, "what it would change to take back what the step did")
	return cmd
}

func (a *app) tickVerb() *cobra.Command {
	var note string
	cmd := a.marking("tick ITEM", "say that a manual item is true, and what you saw", "ticked",
		func(ctx context.Context, e *pipeline.Engine, item string) error { return e.Tick(ctx, item, note) })
	cmd.Flags().StringVar(&note, "note", "", "what you saw: a value, a link, a count")
	return cmd
}

func (a *app) skipVerb() *cobra.Command {
	var reason string
	cmd := a.marking("skip ITEM", "waive an item, with a reason", "waived",
		func(ctx context.Context, e *pipeline.Engine, item string) error { return e.Waive(ctx, item, reason) })
	cmd.Flags().StringVar(&reason, "reason", "", "why it may be left out")
	return cmd
}

func (a *app) earlyVerb() *cobra.Command {
	var reason string
	cmd := a.marking("early ITEM", "open the window of an item before its time, with a reason", "opened early",
		func(ctx context.Context, e *pipeline.Engine, item string) error { return e.Early(ctx, item, reason) })
	cmd.Flags().StringVar(&reason, "reason", "", "why it cannot wait")
	return cmd
}

func (a *app) clearVerb() *cobra.Command {
	var reason string
	cmd := a.marking("clear ITEM", "take a tick, a waiver or an early opening back", "cleared",
		func(ctx context.Context, e *pipeline.Engine, item string) error { return e.Clear(ctx, item, reason) })
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return cmd
}

func (a *app) marking(use, short, did string, mark func(context.Context, *pipeline.Engine, string) error) *cobra.Command {
	verb, names, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, GroupID: groupItems, Short: short,
		Args: takes(1, 1, names), ValidArgsFunction: a.completeItems,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if err := mark(cmd.Context(), e, args[0]); err != nil {
					return err
				}
				j := doneJSON{Verb: verb, Item: args[0]}
				if r := e.View().Checklist.Release; r != nil {
					j.Release = r.ID
				}
				return a.show(j, func() { fmt.Fprintf(a.out, "%s %s\n", did, args[0]) })
			})
		},
	}
}
