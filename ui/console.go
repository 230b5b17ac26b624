// Package ui is the console: it draws what the engine knows and sends what the
// operator wants. It never touches a store.
package ui

import (
	"context"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
	"gantry/storage"
)

var _ Console = (*pipeline.Engine)(nil)

// Console is what the screen needs of an engine; *pipeline.Engine is one. Its
// methods may be called from many goroutines.
type Console interface {
	// Refresh looks at what others did and at what is served.
	Refresh(ctx context.Context) error
	// View is everything that is shown.
	View() pipeline.View
	// Watch looks once at the probes that are watched; View has what they told.
	Watch(ctx context.Context)
	// Changed is signalled when View has something new.
	Changed() <-chan struct{}

	// Plan computes what a job would change.
	Plan(ctx context.Context, job pipeline.Job) (pipeline.Plan, error)
	// Start runs a plan, with what the operator typed where it is dangerous. The
	// screen follows the run by View.
	Start(ctx context.Context, plan pipeline.Plan, typed string) (*pipeline.Active, error)
	// PlanGroup plans a verb for several targets, to go together.
	PlanGroup(ctx context.Context, jobs []pipeline.Job) (pipeline.Group, error)
	// StartGroup moves the targets of a group one after another, with its phrase as
	// the operator typed it. The screen follows it by View.
	StartGroup(ctx context.Context, g pipeline.Group, typed string) (*pipeline.ActiveGroup, error)
	// Undo is the jobs that take back what a group moved.
	Undo(ctx context.Context, group string) ([]pipeline.Job, error)
	// Cancel asks a run to stop.
	Cancel(ctx context.Context, run string) error
	// Resolve looks how an unknown run ended.
	Resolve(ctx context.Context, run string) error

	// Tick, Waive and Clear say something of an item.
	Tick(ctx context.Context, item, note string) error
	Waive(ctx context.Context, item, reason string) error
	Clear(ctx context.Context, item, reason string) error

	// Early opens the window of an item before its time, for a reason.
	Early(ctx context.Context, item, reason string) error
	// Choose makes one of several open releases that which is worked on.
	Choose(ctx context.Context, release string) error
	// Review compares what staging and production of a target serve.
	Review(ctx context.Context, target string) (*pipeline.Review, error)

	// Hold stops the line; Lift lets it run again, its phrase typed.
	Hold(ctx context.Context, reason string) error
	LiftPhrase() string
	Lift(ctx context.Context, typed string) error
	// Adopt accepts what a target serves; without its phrase it returns a
	// *pipeline.ConfirmError that names it.
	Adopt(ctx context.Context, target, typed string) error

	// Templates are the checklists that a release can be opened with.
	Templates() ([]*checklist.Template, error)
	// OpenRelease begins a release about some targets, or all, and returns its id.
	OpenRelease(ctx context.Context, kind, version string, due time.Time, targets ...string) (string, error)
	// CloseRelease ends the release that is worked on.
	CloseRelease(ctx context.Context, abort bool, reason string) error

	// Artifacts lists what is staged, of all targets where target is empty.
	Artifacts(ctx context.Context, target string) ([]storage.Artifact, error)
	// Findings tells what looks wrong about artifacts, by their keys.
	Findings(ctx context.Context, as []storage.Artifact) (map[string][]string, error)
	// VerifyArtifacts hashes artifacts and returns them with their verdicts.
	VerifyArtifacts(ctx context.Context, as []storage.Artifact, p *pipeline.Progress) ([]storage.Artifact, error)
	// RemoveArtifact takes an artifact and its sidecar out of the staging area.
	RemoveArtifact(ctx context.Context, a storage.Artifact) error
	// History is the journal, oldest first.
	History() []checklist.Event
	// RunLog is the path of a run's log.
	RunLog(ctx context.Context, run string) (string, error)
}
