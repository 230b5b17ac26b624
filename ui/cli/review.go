package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
)

type reviewsJSON struct {
	Reviews []pipeline.Review `json:"reviews" is:"each target's, see below"`
	Totals  reviewTotals      `json:"totals" is:"all together"`
}

type reviewTotals struct {
	Repos      int            `json:"repos" is:"repositories that were compared"`
	Differ     int            `json:"differ" is:"of them, those that differ"`
	Failed     int            `json:"failed" is:"of them, those that could not be compared"`
	Added      int            `json:"added" is:"packages"`
	Upgraded   int            `json:"upgraded" is:"packages"`
	Downgraded int            `json:"downgraded" is:"packages"`
	Removed    int            `json:"removed" is:"packages"`
	Rebuilt    int            `json:"rebuilt" is:"packages"`
	Advisories map[string]int `json:"advisories" is:"new errata, each once, by severity, else by type"`
}

func (a *app) reviewVerb() *cobra.Command {
	var repo, arch string
	cmd := &cobra.Command{
		Use: "review [TARGET...]", GroupID: groupTargets, Short: "what staging would bring to clients, package by package",
		Long: `Compares what staging and production serve: packages added, upgraded, downgraded,
removed and rebuilt, in each repository and architecture, with what is new in the
changelogs of upgrades and with the errata that name them. Without a target it
reviews all that hold packages whose metadata it can read. Nothing is changed.`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				names, err := a.reviewable(cfg, args)
				if err != nil {
					return err
				}
				j := reviewsJSON{Reviews: []pipeline.Review{}, Totals: reviewTotals{Advisories: map[string]int{}}}
				known := map[string]bool{}
				for _, name := range names {
					r, err := e.Review(cmd.Context(), name)
					if refused := (*pipeline.RefusedError)(nil); len(args) == 0 && errors.As(err, &refused) {
						r, err = &pipeline.Review{Target: name, Repos: []pipeline.ReviewedRepo{}, Notes: []string{refused.Reason}}, nil
					}
					if err != nil {
						return err
					}
					r.Repos = slices.DeleteFunc(r.Repos, func(is pipeline.ReviewedRepo) bool {
						known[strings.TrimSpace(is.Name+" "+is.Arch)] = true
						return repo != "" && is.Name != repo || arch != "" && is.Arch != arch
					})
					j.Reviews = append(j.Reviews, *r)
				}
				j.Totals.count(j.Reviews)
				if j.Totals.Repos == 0 && (repo != "" || arch != "") {
					return config.Hint(&usageError{"no such repository"}, "there are: "+strings.Join(slices.Sorted(maps.Keys(known)), ", "))
				}
				if err := a.show(j, func() { a.printReviews(j) }); err != nil || j.Totals.Failed == 0 {
					return err
				}
				return &toldError{fmt.Errorf("%s could not be compared", counted(j.Totals.Failed, "repository", "repositories"))}
			})
		},
	}
	cmd.Flags().StringVar(&repo, "repo", "", "only the repository `NAME`, such as AppStream")
	cmd.Flags().StringVar(&arch, "arch", "", "only the architecture `ARCH`, such as x86_64 or source")
	return cmd
}

// reviewable are the targets that were named, else all that can be reviewed.
func (a *app) reviewable(cfg *config.Release, args []string) ([]string, error) {
	for _, name := range args {
		if _, err := target(cfg, name); err != nil {
			return nil, err
		}
	}
	if len(args) > 0 {
		return args, nil
	}
	var all []string
	for _, t := range cfg.Targets {
		if a.trades.Formats[t.Format].Review != nil {
			all = append(all, string(t.Name))
		}
	}
	if len(all) == 0 {
		return nil, &pipeline.RefusedError{Reason: "no target has packages that can be compared here", Hint: "their plans say what would change: gantry promote TARGET"}
	}
	return all, nil
}

// count sums up what was found.
func (t *reviewTotals) count(all []pipeline.Review) {
	seen := map[string]bool{}
	for _, r := range all {
		for i := range r.Repos {
			repo := &r.Repos[i]
			t.Repos++
			if repo.Differs() {
				t.Differ++
			}
			if repo.Error != "" {
				t.Failed++
			}
			t.Added += len(repo.Added)
			t.Upgraded += len(repo.Upgraded)
			t.Downgraded += len(repo.Downgraded)
			t.Removed += len(repo.Removed)
			t.Rebuilt += len(repo.Rebuilt)
			for _, one := range repo.Advisories {
				if !seen[one.ID] {
					seen[one.ID] = true
					t.Advisories[weight(one)]++
				}
			}
		}
	}
}

// weight is how bad it is what an advisory repairs: its severity, or what it is.
func weight(a pipeline.Advisory) string {
	if a.Severity != "" && a.Severity != "None" {
		return a.Severity
	}
	return orDash(a.Type)
}
