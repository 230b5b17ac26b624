package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func (a *app) releaseVerbs() []*cobra.Command {
	return []*cobra.Command{a.statusVerb(), a.dayVerb(), a.openVerb(), a.closeVerb(), a.holdVerb(), a.historyVerb(), a.reportVerb()}
}

func (a *app) openVerb() *cobra.Command {
	var due string
	var about []string
	cmd := &cobra.Command{
		Use: "open KIND VERSION", GroupID: groupRelease, Short: "begin a release with the checklist of its kind",
		Example: "  gantry open promote 2025.1\n  gantry open final 9.7 --due 2026-11-24T14:00Z\n  gantry open patch 2025.1.1 --target core-el9",
		Args:    takes(2, 2, "KIND VERSION"), ValidArgsFunction: a.completeKinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := dueTime(due)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				id, err := e.OpenRelease(cmd.Context(), args[0], args[1], at, about...)
				if err != nil {
					return err
				}
				return a.show(doneJSON{Verb: "open", Release: id}, func() {
					fmt.Fprintf(a.out, "opened %s\n", id)
					if next, ok := e.View().Checklist.Next(); ok {
						fmt.Fprintf(a.out, "next: %s  %s\n", next.ID, next.Title)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&due, "due", "", "when it is due, as 2006-01-02T15:04Z")
	cmd.Flags().StringArrayVar(&about, "target", nil, "`TARGET` it is about, may be repeated; all without it")
	_ = cmd.RegisterFlagCompletionFunc("target", a.completeTarget) // the flag is there
	return cmd
}

func dueTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := checklist.ParseDue(s)
	if err != nil {
		return time.Time{}, &usageError{err.Error()}
	}
	return at, nil
}

func (a *app) closeVerb() *cobra.Command {
	var abort bool
	var reason string
	cmd := &cobra.Command{
		Use: "close", GroupID: groupRelease, Short: "end the release; --abort gives it up",
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if abort && reason == "" {
				return &usageError{"giving a release up needs its --reason"}
			}
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				id := ""
				if r := e.View().Checklist.Release; r != nil {
					id = r.ID
				}
				if err := e.CloseRelease(cmd.Context(), abort, reason); err != nil {
					return err
				}
				return a.show(doneJSON{Verb: "close", Release: id}, func() { fmt.Fprintf(a.out, "closed %s\n", id) })
			})
		},
	}
	cmd.Flags().BoolVar(&abort, "abort", false, "give the release up although items are not done")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return cmd
}

func (a *app) holdVerb() *cobra.Command {
	var lift bool
	var reason, phrase string
	cmd := &cobra.Command{
		Use: "hold", GroupID: groupRelease, Short: "stop the line; --lift lets it go on",
		Example: "  gantry hold --reason 'mirror in Oslo is down'\n  gantry hold --lift",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if !lift {
					if err := e.Hold(cmd.Context(), reason); err != nil {
						return err
					}
					return a.show(doneJSON{Verb: "hold"}, func() {
						fmt.Fprintln(a.out, a.paint(a.outTTY, red, "HOLD")+": nothing begins that a tester or client could see")
					})
				}
				if err := a.explain(e.Lift(cmd.Context(), phrase), "hold --lift"); err != nil {
					return err
				}
				return a.show(doneJSON{Verb: "hold --lift"}, func() { fmt.Fprintln(a.out, "the line goes on") })
			})
		},
	}
	cmd.Flags().BoolVar(&lift, "lift", false, "let the line go on")
	cmd.Flags().StringVar(&reason, "reason", "", "why it is stopped")
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase that lifts it")
	return cmd
}

func (a *app) historyVerb() *cobra.Command {
	var verify, mend bool
	cmd := &cobra.Command{
		Use: "history", GroupID: groupRelease, Short: "who did what and when; --verify checks the journal",
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				if mend {
					if err := e.Mend(cmd.Context()); err != nil {
						return err
					}
				}
				if verify || mend {
					return a.verifyHistory(cmd.Context(), e)
				}
				return a.history(e)
			})
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "read the whole journal again and check its chain")
	cmd.Flags().BoolVar(&mend, "mend", false, "move a last entry aside that was cut off while it was written, then verify")
	return cmd
}

func (a *app) reportVerb() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "report", GroupID: groupRelease, Short: "the release as Markdown: items, runs, moves, refusals",
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				text, err := markdown(e.View(), e.History())
				if err != nil {
					return err
				}
				if out == "" {
					return a.show(reportJSON{Release: e.View().Checklist.Release.ID, Markdown: text}, func() { fmt.Fprint(a.out, text) })
				}
				if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
					return fmt.Errorf("write the report: %w", err)
				}
				return a.show(doneJSON{Verb: "report", Path: filepath.Clean(out)}, func() { fmt.Fprintln(a.out, "wrote", out) })
			})
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write it to a file")
	return cmd
}
