package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/ui/cli/demo"
	"gantry/ui/cli/demo/distro"
)

// distro makes the demo of a distribution, and plays it or shows it.
func (a *app) distro(ctx context.Context, patch bool, f demoFlags) (err error) {
	if a.readOnly {
		return &usageError{"a demo is made, which --read-only forbids"}
	}
	fmt.Fprintf(a.say(), "making a distribution in %s\n", f.dir)
	if err := demo.Prepare(f.dir); err != nil {
		return err
	}
	if err := distro.Make(ctx, distro.Options{Dir: f.dir, Product: "rocky", Patch: patch}); err != nil {
		return err
	}
	world, err := distro.Serve(ctx, f.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	clock := distro.NewClock()
	if !f.headless && !a.json && a.outTTY && a.inTTY {
		return a.showDistro(ctx, patch, f, clock)
	}
	began := time.Now()
	err = distro.Play(ctx, distro.Stage{Dir: f.dir, Patch: patch, Clock: clock, Open: a.openDistro, Out: a.say(), Opened: a.signals.drains})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.say(), "played in %s\n", span(time.Since(began)))
	if a.json {
		a.printJSON(doneJSON{Verb: "demo", Path: a.config})
	}
	return nil
}

// openDistro opens the engine of a demo, with a clock of its own.
func (a *app) openDistro(ctx context.Context, cfg *config.Release, release string, now func() time.Time) (*pipeline.Engine, error) {
	return pipeline.Open(ctx, pipeline.Options{Config: cfg, Makers: a.trades.Makers, Trades: a.trades.Formats, Release: release, Now: now})
}

// showDistro opens the releases of the demo of a distribution, and the console on
// them.
func (a *app) showDistro(ctx context.Context, patch bool, f demoFlags, clock *distro.Clock) error {
	cfg, err := config.Load(a.config)
	if err != nil {
		return err
	}
	e, err := a.openDistro(ctx, cfg, "", clock.Now)
	if err != nil {
		return err
	}
	a.signals.drains(e)
	first := ""
	for _, r := range distro.Releases(patch) {
		var id string
		if id, err = e.OpenRelease(ctx, r.Kind, r.Version, clock.Now().Add(r.Due)); err != nil {
			break
		}
		if first == "" {
			first = id
		}
	}
	if err == nil {
		err = e.Choose(ctx, first)
	}
	if err == nil {
		err = a.screen(ctx, e, cfg, clock.Forward)
	}
	err = errors.Join(err, e.Close())
	at := "gantry -C " + shell(a.config)
	fmt.Fprintf(a.out, "the demo stays in %s; its website and mirrors ended with the console\n  %s\n  %s day\n  %s report --release %s\n", f.dir, at, at, at, first)
	return err
}
