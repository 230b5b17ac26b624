package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

func (a *app) artifactVerbs() []*cobra.Command {
	return []*cobra.Command{a.artifactsVerb(), a.stageVerb()}
}

func (a *app) artifactsVerb() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use: "artifacts [TARGET]", GroupID: groupTargets, Short: "staged files and their checksum verdicts",
		Long: "Lists what is staged, and flags (!) what looks wrong about it: a pre-release in a\n" +
			"final release, a version below production's, other bytes than production's.\n" +
			"--verify hashes it; then anything but verified exits 1.",
		Args: takes(0, 1, "[TARGET]"), ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				return a.artifacts(cmd.Context(), e, cfg, args, verify)
			})
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "hash every file against its sidecar")
	return cmd
}

func (a *app) artifacts(ctx context.Context, e *pipeline.Engine, cfg *config.Release, names []string, verify bool) error {
	j := artifactsJSON{Artifacts: []artifactJSON{}}
	bad := 0
	of, about := "", "all targets"
	if len(names) > 0 {
		of, about = names[0], names[0]
		if _, err := target(cfg, of); err != nil {
			return err
		}
	}
	found, err := e.Artifacts(ctx, of)
	if err != nil {
		return err
	}
	if verify {
		if found, err = a.hash(ctx, e, about, found); err != nil {
			return err
		}
	}
	odd, err := e.Findings(ctx, found)
	if err != nil {
		return fmt.Errorf("look for what is odd about what is staged: %w", err)
	}
	for _, t := range e.View().Targets {
		for _, one := range found {
			if !slices.Contains(t.Places, one.Place) {
				continue
			}
			if one.Verdict != storage.Verified && (verify || one.Verdict != storage.Unverified) {
				bad++
			}
			line := newArtifactJSON(t.Name, one)
			line.Findings = odd[one.Key()]
			j.Artifacts = append(j.Artifacts, line)
		}
	}
	if err := a.show(j, func() { a.printArtifacts(j.Artifacts) }); err != nil || !verify {
		return err
	}
	switch {
	case len(j.Artifacts) == 0:
		return &toldError{config.Hint(errors.New("nothing is staged"), "gantry stage TARGET FILE...")}
	case bad > 0:
		return &toldError{config.Hint(fmt.Errorf("%d of %d staged files are not as their sidecars say", bad, len(j.Artifacts)),
			"stage them again: gantry stage TARGET FILE... --replace")}
	}
	return nil
}

// hash verifies artifacts with progress.
func (a *app) hash(ctx context.Context, e *pipeline.Engine, name string, found []storage.Artifact) ([]storage.Artifact, error) {
	var total int64
	for _, one := range found {
		total += one.Size
	}
	p := pipeline.NewProgress(nil)
	p.Phase("hashing", pipeline.Bytes, total)
	var err error
	err = a.during("artifacts of "+name, p, func() error {
		found, err = e.VerifyArtifacts(ctx, found, p)
		return err
	})
	return found, err
}

func (a *app) printArtifacts(all []artifactJSON) {
	rows := [][]string{a.head("TARGET", "FILE", "SIZE", "CHANGED", "VERDICT")}
	for _, one := range all {
		verdict := a.word(one.Verdict)
		if one.Detail != "" {
			verdict += "  " + config.Inert(one.Detail)
		}
		for _, what := range one.Findings {
			verdict += "  ! " + config.Inert(what)
		}
		rows = append(rows, []string{one.Target, config.Inert(one.File), size(one.Size), clock(one.Modified), verdict})
	}
	a.table(rows)
}

func (a *app) stageVerb() *cobra.Command {
	var replace bool
	var arch string
	cmd := &cobra.Command{
		Use: "stage TARGET FILE...", GroupID: groupTargets, Short: "copy files into the staging area, with checksum sidecars",
		Example: "  gantry stage core-el9 build/*.rpm",
		Args:    takes(2, -1, "TARGET FILE..."), ValidArgsFunction: a.completeStage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, cfg *config.Release) error {
				if _, err := target(cfg, args[0]); err != nil {
					return err
				}
				return a.stage(cmd.Context(), e, args[0], args[1:], arch, replace)
			})
		},
	}
	cmd.Flags().StringVar(&arch, "arch", "", "`ARCH` of the files, where the target has several; by default they are asked")
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of a staged file of that name")
	return cmd
}

func (a *app) stage(ctx context.Context, e *pipeline.Engine, name string, files []string, arch string, replace bool) error {
	var total int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("stage: %w", err)
		}
		total += info.Size()
	}
	p := pipeline.NewProgress(nil)
	p.Phase("copying", pipeline.Bytes, total)
	j := artifactsJSON{Artifacts: []artifactJSON{}}
	err := a.during(fmt.Sprintf("stage %d files for %s", len(files), name), p, func() error {
		for _, file := range files {
			one, err := e.Stage(ctx, name, file, arch, replace, p)
			if err != nil {
				return err
			}
			j.Artifacts = append(j.Artifacts, newArtifactJSON(name, one))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(j, func() {
		for _, one := range j.Artifacts {
			fmt.Fprintf(a.out, "staged %s  %s\n", one.Path, size(one.Size))
		}
	})
}
