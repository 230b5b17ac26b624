package cli

import (
	"context"
	"fmt"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/ui"
)

// console opens the screen, or prints the status where there is none.
func (a *app) console(ctx context.Context) error {
	if !a.outTTY || !a.inTTY || a.json {
		return a.status(ctx, false)
	}
	return a.with(ctx, func(e *pipeline.Engine, cfg *config.Release) error { return a.screen(ctx, e, cfg, nil) })
}

// screen runs the console until the operator leaves or the terminal goes. Runs
// that are still at work are waited for when the engine closes.
func (a *app) screen(ctx context.Context, e *pipeline.Engine, cfg *config.Release, forward func(time.Time)) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	a.signals.ends(leave)
	o := ui.Options{
		Theme: cfg.Console.Theme, NoColor: a.noColor, ASCII: a.ascii || cfg.Console.ASCII,
		Mouse: cfg.Console.Mouse, Bell: cfg.Console.Bell,
		ReadOnly: a.readOnly || cfg.Console.ReadOnly, Accessible: a.accessible, Forward: forward,
	}
	if a.theme != "" {
		o.Theme = config.Theme(a.theme)
	}
	err := ui.Run(ctx, e, o)
	e.Drain()
	for _, r := range own(e) {
		fmt.Fprintf(a.err, "waiting for run %s: %s\n", r.Intent.Run, r.Title)
	}
	return err
}
