// Package pipeline is how things are done: the engine, and what it asks of the
// trades that do the work. A trade makes steps; a step is planned without
// changing anything, confirmed where it is dangerous, and run.
package pipeline

import (
	"context"
	"errors"
	"io"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Step is one thing that the console can do or observe.
type Step interface {
	// Plan computes what Run would change. It reads only.
	Plan(ctx context.Context, env *Env) (Plan, error)
	// Run does what the plan says, and nothing else. It may be run again after
	// it was interrupted anywhere.
	Run(ctx context.Context, env *Env, plan Plan, p *Progress) (Evidence, error)
}

// ErrUnprepared is what Plan of a Preparer wraps while something must be built
// aside first.
var ErrUnprepared = errors.New("something must be built aside first")

// ErrUnknown is what Run of a Looker wraps when what it started goes on without
// it, or may: no end is journalled, and the run is unknown until somebody looks.
var ErrUnknown = errors.New("nobody can tell yet how it ends")

// Preparer is a step that must build something aside before it can be planned,
// such as the re-signed twin of a snapshot that goes back to production. Prepare
// changes nothing that a client can see; Plan then finds what it built.
type Preparer interface {
	Prepare(ctx context.Context, env *Env, p *Progress) error
}

// Looker is a step whose effect can be seen afterwards. Look tells, without
// changing anything, whether the plan's effect is there.
type Looker interface {
	Look(ctx context.Context, env *Env, plan Plan) (Seen, error)
}

// Observer is a step whose result rests on something that can change later.
// Inputs is a digest of it as it is now; it must be cheap, since it is asked
// for while a screen is shown.
type Observer interface {
	Inputs(ctx context.Context, env *Env) (string, error)
}

// Reverser is a step whose effect can be taken back. Reverse is the step that
// does so; it is planned, confirmed and run like any other.
type Reverser interface {
	Reverse() Step
}

// Maker makes the step of an item.
type Maker func(cfg *config.Release, item checklist.Item) (Step, error)

// Makers are the trades by name. A verb on a target (build, stage, promote,
// rollback, verify, prune) goes to the maker named by the target's format, such
// as rpm; check.key goes to check; command goes to command.
type Makers map[string]Maker

// Seen is what looking found.
type Seen struct {
	Done     bool   // the effect is there, whole
	Failed   string // where it is not: what is known of why, empty if nothing took effect
	Evidence Evidence
}

// Evidence is what was observed, by name: "packages": "17", "expires": "2027-03-01".
type Evidence map[string]string

// Env is what a step may use.
type Env struct {
	Config  *config.Release
	Staging *storage.Staging
	Root    storage.Store // of all that is served; targets keep in it what lies outside their snapshots
	Now     func() time.Time
	Release string    // id of the release it is run for, empty outside one
	Version string    // version of that release
	Kind    string    // of that release
	Began   time.Time // of the run, zero while planning
	Run     string    // id of the run, empty while planning

	// Targets are those that the release is about; outside one all.
	Targets func() []*config.Target

	// Served is where a target is served.
	Served func(t *config.Target) (storage.Served, error)
	// Keep leaves a text beside the journal, durably, before Run does what only that
	// text finds again. Kept is the last one, for Look; empty without one.
	Keep func(ctx context.Context, text string) error
	Kept func(ctx context.Context) (string, error)
	// Dial opens connections through a tunnel of the configuration, or without one
	// for the empty name.
	Dial func(tunnel config.Name) Dial
	// Area opens a place of the configuration: a directory, or a prefix of a store,
	// store:NAME/PREFIX. What names it in errors. The engine closes it when it ends.
	Area func(ctx context.Context, what, place string) (storage.Store, error)
	// Far runs a command line at the far end of a tunnel, by the shell of the user
	// there, and waits for its end. See tunnel.Set.
	Far func(ctx context.Context, tunnel config.Name, line string, out, errs io.Writer) error
	// Reach looks whether state, staging area and served tree are there.
	Reach func(ctx context.Context) []Reached
	// Open are the releases that are worked on, as they are now, and Busy the targets
	// that another run is at, or was when its console died.
	Open func(ctx context.Context) []checklist.View
	Busy func() []string
	// History is what the journal says of a target.
	History func(target string) checklist.Pointers

	holds func(ctx context.Context) error
}

// Holds makes sure that the run holds its target at this moment. It is asked for
// right before what cannot be taken back: where locks are leases, a console that
// was stopped for a while, or whose machine slept, may have lost it and not know
// yet. Outside an engine it is nil.
func (env *Env) Holds(ctx context.Context) error {
	if env.holds == nil {
		return nil
	}
	return env.holds(ctx)
}
