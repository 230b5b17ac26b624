package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo"
)

func (a *app) demoVerb() *cobra.Command {
	var dir string
	var headless bool
	cmd := &cobra.Command{
		Use: "demo [NAME]", GroupID: groupSetup, Short: "make a small real release and open the console on it",
		Long:    "Makes a small real release: packages, keys, release.yaml. It then opens the console\non it, or plays the whole release by itself: --headless, or where there is no\nterminal. D must be empty or hold an earlier demo, which is made anew.",
		Example: "  gantry demo\n  gantry demo packyard --dir /tmp/demo --headless",
		Args:    takes(0, 1, "[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "packyard"
			if len(args) == 1 {
				name = args[0]
			}
			if _, err := config.ParseName(name); err != nil {
				return &usageError{err.Error()}
			}
			if a.readOnly {
				return &usageError{"a demo is made, which --read-only forbids"}
			}
			if dir == "" {
				temp, err := os.MkdirTemp("", "gantry-demo-")
				if err != nil {
					return fmt.Errorf("make a directory for the demo: %w", err)
				}
				dir = temp
			}
			dir, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("find the directory of the demo: %w", err)
			}
			return a.demo(cmd.Context(), dir, name, headless || a.json || !a.outTTY || !a.inTTY)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "where to make it (default a new directory among the temporary ones)")
	cmd.Flags().BoolVar(&headless, "headless", false, "play the release without a terminal and print what happens")
	return cmd
}

func (a *app) demo(ctx context.Context, dir, name string, headless bool) error {
	say := a.out
	if a.json {
		say = a.err
	}
	began := time.Now()
	fmt.Fprintf(say, "making a release of %s in %s\n", name, dir)
	if err := demo.Make(ctx, dir, name); err != nil {
		return err
	}
	a.config = filepath.Join(dir, "release.yaml")
	if headless {
		if err := demo.Play(ctx, demo.Stage{Dir: dir, Makers: a.trades.Makers, Out: say, Opened: a.signals.drains}); err != nil {
			return err
		}
		fmt.Fprintf(say, "played in %s\n", span(time.Since(began)))
		if a.json {
			a.printJSON(doneJSON{Verb: "demo", Path: a.config})
		}
		return nil
	}
	return a.with(ctx, func(e *pipeline.Engine, cfg *config.Release) error {
		if _, err := e.OpenRelease(ctx, demo.Kind, demo.Version, time.Time{}); err != nil {
			return err
		}
		err := a.screen(ctx, e, cfg)
		fmt.Fprintf(a.out, "the demo stays in %s\n  gantry -C %s\n", dir, shell(a.config))
		return err
	})
}
