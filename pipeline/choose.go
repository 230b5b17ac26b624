package pipeline

import (
	"context"
	"fmt"

	"gantry/config"
)

// Choose makes a release the one that is worked on. Runs that are under way stay
// those of their own. An empty id means the only one that is open.
func (e *Engine) Choose(ctx context.Context, release string) error {
	e.mu.Lock()
	known := release == "" || e.fold.Release(release) != nil
	e.mu.Unlock()
	if !known {
		return &RefusedError{Reason: fmt.Sprintf("no release %q", config.Inert(release)), Hint: "see those there are: gantry status"}
	}
	e.choice.Store(&release)
	e.mu.Lock()
	e.anew = true // what its items rest on was not looked at yet
	e.mu.Unlock()
	return e.Refresh(ctx)
}

// named is the release that was chosen, empty for the only one that is open.
func (e *Engine) named() string {
	if c := e.choice.Load(); c != nil {
		return *c
	}
	return e.o.Release
}
