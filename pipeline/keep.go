package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gantry/storage"
)

// keptMost bounds what a run may keep, in bytes.
const keptMost = 64 << 10

var errNoRun = errors.New("nothing is kept outside a run")

// keep leaves a text of a run beside the journal. It is there, durably, when keep
// returns.
func (e *Engine) keep(ctx context.Context, run, text string) error {
	if !runForm.MatchString(run) {
		return errNoRun
	}
	if len(text) > keptMost {
		return fmt.Errorf("run %s would keep %d bytes, more than %d", run, len(text), keptMost)
	}
	if _, err := e.state.Put(ctx, "runs/"+run+"/kept", strings.NewReader(text), storage.Always); err != nil {
		return fmt.Errorf("keep what run %s is at: %w", run, err)
	}
	return nil
}

// keptBy is what a run kept last, empty if nothing.
func (e *Engine) keptBy(ctx context.Context, run string) (string, error) {
	if !runForm.MatchString(run) {
		return "", errNoRun
	}
	r, _, err := e.state.Open(ctx, "runs/"+run+"/kept", storage.Range{})
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read what run %s kept: %w", run, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, keptMost))
	if err != nil {
		return "", fmt.Errorf("read what run %s kept: %w", run, err)
	}
	return string(b), nil
}
