package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
)

func (a *app) targetVerbs() []*cobra.Command {
	return []*cobra.Command{
		a.targetsVerb(), a.snapshotsVerb(), a.reviewVerb(),
		a.promoteVerb(), a.rollbackVerb(), a.refreshVerb(), a.pruneVerb(), a.verifyVerb(), a.adoptVerb(), a.clientsVerb(),
	}
}

func (a *app) targetsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "targets", GroupID: groupTargets, Short: "what each target serves, staging against production",
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error {
				v := e.View()
				j := targetsJSON{Targets: []targetJSON{}}
				for _, t := range v.Targets {
					j.Targets = append(j.Targets, newTargetJSON(t))
				}
				return a.show(j, func() { a.printTargets(v.Targets) })
			})
		},
	}
}

func (a *app) snapshotsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "snapshots TARGET", GroupID: groupTargets, Short: "snapshots of a target, newest first",
		Args: takes(1, 1, "TARGET"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if _, err := target(cfg, args[0]); err != nil {
					return err
				}
				j := snapshotsJSON{Target: args[0], Snapshots: []snapshotJSON{}}
				rows := [][]string{a.head("SNAPSHOT", "PUBLISHED", "SERVED AS", "TWIN OF")}
				if t, _ := cfg.Target(args[0]); t.Tree != nil {
					rows = [][]string{a.head("SYNC", "PUBLISHED", "SERVED AS", "DIRECTORY")}
				}
				for _, t := range e.View().Targets {
					if t.Name != args[0] {
						continue
					}
					for _, s := range t.Snapshots {
						one := snapshotJSON{ID: s.ID, Created: s.Created, TwinOf: s.TwinOf, Label: s.Label, Published: s.Published, Staging: s.ID == t.Staging, Production: s.Current}
						j.Snapshots = append(j.Snapshots, one)
						rows = append(rows, []string{s.ID, orDash(clock(s.Published)), a.servedAs(one), s.TwinOf + s.Label}) // a tree has no twins
					}
				}
				return a.show(j, func() { a.table(rows) })
			})
		},
	}
}

func (a *app) servedAs(s snapshotJSON) string {
	switch {
	case s.Staging && s.Production:
		return a.word("staging") + " " + a.word("production")
	case s.Production:
		return a.word("production")
	case s.Staging:
		return a.word("staging")
	}
	return "-"
}

// target finds a target that an operator named.
func target(cfg *config.Release, name string) (*config.Target, error) {
	if t, ok := cfg.Target(name); ok {
		return t, nil
	}
	names := ""
	for i, t := range cfg.Targets {
		if i > 0 {
			names += ", "
		}
		names += string(t.Name)
	}
	return nil, config.Hint(&usageError{"no target " + quoted(name)}, "targets are "+names)
}

// flipping makes a verb that changes production of a target.
func (a *app) flipping(use, short, long string, of func(target string) pipeline.Job, again func(target string) string) *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: use, GroupID: groupTargets, Short: short, Long: long,
		Args: takes(1, 1, "TARGET"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if _, err := target(cfg, args[0]); err != nil {
					return err
				}
				if err := a.do(cmd.Context(), e, of(args[0]), phrase, again(args[0])); err != nil {
					return err
				}
				return a.showRuns()
			})
		},
	}
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase read off the plan")
	return cmd
}

const confirming = "Without --confirm it prints what would change and the command that confirms it, and\nexits 3. The phrase of another plan exits 4."

func (a *app) refreshVerb() *cobra.Command {
	return a.flipping("refresh TARGET", "the same packages under newer metadata, with a confirmation",
		"Production serves the same packages as a newer snapshot, signed anew: after a key was\nrenewed or changed, or where clients must see that the repository lives.\n"+confirming,
		func(t string) pipeline.Job { return pipeline.Job{Verb: "refresh", Target: t} },
		func(t string) string { return "refresh " + t })
}

func (a *app) pruneVerb() *cobra.Command {
	return a.flipping("prune TARGET", "remove old snapshots, with a confirmation",
		"Removes snapshots that nothing names and nobody can go back to by the target's policy;\nproduction, staging and the last published ones stay.\n"+confirming,
		func(t string) pipeline.Job { return pipeline.Job{Verb: "prune", Target: t} },
		func(t string) string { return "prune " + t })
}

func (a *app) verifyVerb() *cobra.Command {
	var staging bool
	cmd := &cobra.Command{
		Use: "verify TARGET", GroupID: groupTargets, Short: "read what is served as a client would, and hash all of it",
		Args: takes(1, 1, "TARGET"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if _, err := target(cfg, args[0]); err != nil {
					return err
				}
				j := pipeline.Job{Verb: "verify", Target: args[0], Of: "production"}
				if staging {
					j.Of = "staging"
				}
				if err := a.do(cmd.Context(), e, j, "", ""); err != nil {
					return err
				}
				return a.showRuns()
			})
		},
	}
	cmd.Flags().BoolVar(&staging, "staging", false, "what staging serves, not production")
	return cmd
}

func (a *app) adoptVerb() *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: "adopt TARGET", GroupID: groupTargets, Short: "accept what is served although the journal says otherwise",
		Args: takes(1, 1, "TARGET"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if _, err := target(cfg, args[0]); err != nil {
					return err
				}
				if err := a.explain(e.Adopt(cmd.Context(), args[0], phrase), "adopt "+args[0]); err != nil {
					return err
				}
				return a.show(doneJSON{Verb: "adopt", Target: args[0]}, func() { fmt.Fprintln(a.out, "adopted what", args[0], "serves") })
			})
		},
	}
	cmd.Flags().StringVar(&phrase, "confirm", "", "phrase that adopts it")
	return cmd
}

func (a *app) clientsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "clients TARGET", GroupID: groupTargets, Short: "files to give to clients: .repo files and the key",
		Args: takes(1, 1, "TARGET"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			t, err := target(cfg, args[0])
			if err != nil {
				return err
			}
			of := a.trades.Formats[t.Format].Clients
			if of == nil {
				return fmt.Errorf("there are no client files for targets of format %s", t.Format)
			}
			files, err := of(cfg, t)
			if err != nil {
				return fmt.Errorf("client files of %s: %w", t.Name, err)
			}
			j := clientsJSON{Target: args[0], Files: []clientJSON{}}
			for _, f := range files {
				j.Files = append(j.Files, clientJSON(f))
			}
			return a.show(j, func() {
				for i, f := range files {
					if i > 0 {
						fmt.Fprintln(a.out)
					}
					fmt.Fprintf(a.out, "# %s  (%s)\n%s", f.Name, f.Note, f.Text)
				}
			})
		},
	}
}
