package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
)

func (a *app) runVerbs() []*cobra.Command {
	return []*cobra.Command{a.runsVerb(), a.cancelVerb(), a.resolveVerb()}
}

func (a *app) runsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "runs [RUN]", GroupID: groupItems, Short: "runs, newest first; of one, its log",
		Args: takes(0, 1, "[RUN]"), ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if len(args) == 1 {
					return a.oneRun(cmd.Context(), e, args[0])
				}
				j := runsJSON{Runs: []runJSON{}}
				rows := [][]string{a.head("RUN", "STATE", "VERB", "TARGET", "WHO", "TOOK")}
				for _, r := range e.View().Runs {
					log, _ := e.LogPath(r.Intent.Run) // a run of a foreign name has none
					j.Runs = append(j.Runs, newRunJSON(r, log))
					took := progressLine(r.Status)
					if !r.EndedAt.IsZero() {
						took = span(r.EndedAt.Sub(r.Started))
					}
					rows = append(rows, []string{r.Intent.Run, a.word(r.State()), r.Verb, orDash(r.Target), r.Actor, took})
				}
				return a.show(j, func() { a.table(rows) })
			})
		},
	}
}

func (a *app) oneRun(ctx context.Context, e *pipeline.Engine, id string) error {
	for _, r := range e.View().Runs {
		if r.Intent.Run != id {
			continue
		}
		log, err := e.RunLog(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			a.printJSON(runsJSON{Runs: []runJSON{newRunJSON(r, log)}})
			return nil
		}
		a.printRun(r)
		if r.Run.Ended != nil && r.Run.Ended.Error != "" {
			fmt.Fprintf(a.out, "    %s\n", config.Inert(r.Run.Ended.Error))
		}
		f, err := os.Open(log)
		if errors.Is(err, os.ErrNotExist) {
			return nil // it ran on another machine
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		defer f.Close()
		if _, err := io.Copy(a.out, f); err != nil { // its lines were made harmless when written
			return fmt.Errorf("read the log: %w", err)
		}
		return nil
	}
	return &pipeline.RefusedError{Reason: "no run " + quoted(id), Hint: "see them: gantry runs"}
}

func (a *app) cancelVerb() *cobra.Command {
	return &cobra.Command{
		Use: "cancel RUN", GroupID: groupItems, Short: "ask a run to stop at its next safe point, on whichever console",
		Args: takes(1, 1, "RUN"), ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if err := e.Cancel(cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.show(doneJSON{Verb: "cancel"}, func() { fmt.Fprintln(a.out, "asked", config.Inert(args[0]), "to stop") })
			})
		},
	}
}

func (a *app) resolveVerb() *cobra.Command {
	return &cobra.Command{
		Use: "resolve RUN", GroupID: groupItems, Short: "find out by looking how an unknown run ended, and record it; one that goes on elsewhere is followed to its end",
		Args: takes(1, 1, "RUN"), ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if err := e.Follow(cmd.Context(), args[0]); err != nil {
					return err
				}
				if err := e.Refresh(cmd.Context()); err != nil {
					return err
				}
				for _, r := range e.View().Runs {
					if r.Intent.Run == args[0] {
						a.made = append(a.made, newRunJSON(r, ""))
						a.printRun(r)
					}
				}
				return a.showRuns()
			})
		},
	}
}
