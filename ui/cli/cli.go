// Package cli is gantry without a screen: every verb of the console as a
// command, with --json for programs and exit codes that tell what happened.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gantry/config"
	"gantry/pipeline"
)

// Trades is what the program can do.
type Trades struct {
	Makers  pipeline.Makers                  // of steps, by trade
	Formats map[config.Format]pipeline.Trade // what else there is to know of formats
}

// Exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRefused  = 3
	exitConflict = 4
)

// app is one call of the program.
type app struct {
	trades   Trades
	out, err io.Writer
	inTTY    bool // a person types
	outTTY   bool // a person reads out
	errTTY   bool
	signals  *signals
	made     []runJSON // runs of this call that are over

	config     string
	release    string
	theme      string
	json       bool
	readOnly   bool
	accessible bool
	noColor    bool
	ascii      bool
}

// Main runs the command line that args (without the program's name) is, and
// returns its exit code.
func Main(trades Trades, args []string) int {
	a := &app{
		trades: trades,
		out:    os.Stdout, err: os.Stderr,
		inTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		outTTY: term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.signals = watchSignals(cancel, a.err)
	defer a.signals.stop()
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return a.report(root.ExecuteContext(ctx))
}

const (
	groupRelease = "release"
	groupItems   = "items"
	groupTargets = "targets"
	groupSetup   = "setup"
)

func (a *app) root() *cobra.Command {
	cobra.EnableCommandSorting = false // verbs are listed in the order of their use
	cmd := &cobra.Command{
		Use:   "gantry",
		Short: "a release console for package repositories",
		Long: `gantry walks a release through its checklist: checks, builds, signing, staging,
and the confirmed promotion to production. Without a verb it opens the console,
or prints the status where there is no terminal.`,
		Example: `  gantry demo                          look at it with a small real release
  gantry init acme; gantry lint        begin with your own
  gantry open promote 2025.1 && gantry
  gantry promote core-el9              prints the plan and the phrase that confirms it`,
		Args:              a.noVerb,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.console(cmd.Context()) },
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&a.config, "config", "C", envOr("GANTRY_CONFIG", "release.yaml"), "configuration `FILE`, also $GANTRY_CONFIG")
	f.StringVar(&a.release, "release", "", "`ID` of the release, where several are open")
	f.BoolVar(&a.json, "json", false, "print one JSON object (see: gantry help json)")
	f.BoolVar(&a.readOnly, "read-only", false, "show everything, change nothing")
	f.BoolVar(&a.accessible, "accessible", false, "console as linear prompts, for screen readers")
	f.BoolVar(&a.noColor, "no-color", os.Getenv("NO_COLOR") != "", "no colours, also $NO_COLOR")
	f.BoolVar(&a.ascii, "ascii", false, "draw the console with ASCII only")
	f.StringVar(&a.theme, "theme", "", "`NAME` of the console's colours: dark, light or colour-blind")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		switch config.Theme(a.theme) {
		case "", config.Dark, config.Light, config.ColourBlind:
			return nil
		}
		return &usageError{"no theme " + quoted(a.theme) + ": dark, light or colour-blind"}
	}

	cmd.AddGroup(
		&cobra.Group{ID: groupRelease, Title: "The release:"},
		&cobra.Group{ID: groupItems, Title: "Its checklist:"},
		&cobra.Group{ID: groupTargets, Title: "Targets and artifacts:"},
		&cobra.Group{ID: groupSetup, Title: "Setting up:"},
	)
	cmd.AddCommand(a.releaseVerbs()...)
	cmd.AddCommand(a.itemVerbs()...)
	cmd.AddCommand(a.targetVerbs()...)
	cmd.AddCommand(a.artifactVerbs()...)
	cmd.AddCommand(a.runVerbs()...)
	cmd.AddCommand(a.setupVerbs()...)
	cmd.AddCommand(jsonTopic())
	cmd.SetHelpCommandGroupID(groupSetup)
	cmd.SetCompletionCommandGroupID(groupSetup)
	cmd.InitDefaultCompletionCmd()
	if completion, _, err := cmd.Find([]string{"completion"}); err == nil {
		completion.Short = "print the completion script of a shell"
	}
	cmd.SetUsageTemplate(usageTemplate)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err.Error()} })
	return cmd
}

func (a *app) noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what := "no verb " + quoted(args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		what += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{what}
}

// usageError is a command line that cannot be meant.
type usageError struct{ what string }

func (e *usageError) Error() string { return e.what }

// takes checks the number of arguments; names are those of the usage line.
// A most of -1 is any number.
func takes(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return &usageError{"usage: " + strings.TrimSpace(cmd.CommandPath()+" "+names)}
		}
		return nil
	}
}

// load reads the configuration.
func (a *app) load() (*config.Release, error) {
	cfg, err := config.Load(a.config)
	if errors.Is(err, os.ErrNotExist) {
		return nil, config.Hint(&usageError{"no " + config.Inert(a.config) + " here"},
			"name it with -C FILE; begin one with gantry init NAME; or look around with gantry demo")
	}
	return cfg, err
}

// engine opens the state of the configuration. The caller closes it.
func (a *app) engine(ctx context.Context) (*pipeline.Engine, *config.Release, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	e, err := pipeline.Open(ctx, pipeline.Options{
		Config: cfg, Makers: a.trades.Makers, Trades: a.trades.Formats, Release: a.release,
		ReadOnly: a.readOnly || cfg.Console.ReadOnly,
	})
	if err != nil {
		return nil, nil, err
	}
	a.signals.drains(e)
	return e, cfg, nil
}

// with runs do on an engine and closes it.
func (a *app) with(ctx context.Context, do func(*pipeline.Engine, *config.Release) error) error {
	e, cfg, err := a.engine(ctx)
	if err != nil {
		return err
	}
	err = do(e, cfg)
	return errors.Join(err, e.Close())
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
