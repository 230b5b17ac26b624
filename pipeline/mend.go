package pipeline

import (
	"context"
	"fmt"

	"gantry/config"
	"gantry/storage"
)

// Mend moves a torn last entry of the journal aside, as a loss of power leaves
// it, so that work can go on; an entry tells of it. Such an entry never took
// effect. Any other damage is left alone, and is an error.
func (e *Engine) Mend(ctx context.Context) error {
	if err := e.writable(); err != nil {
		return err
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	told, err := e.journal.Quarantine(ctx)
	if err != nil {
		return fmt.Errorf("mend the journal: %w", err)
	}
	told.Time, told.Actor, told.Host = e.o.Now().UTC(), e.o.Actor, e.o.Host
	written, err := e.journal.Append(ctx, told)
	if err != nil {
		return config.Hint(fmt.Errorf("the torn entry is moved aside, which could not be journalled: %w", err), "gantry history --verify")
	}
	e.apply([]storage.Envelope{written})
	return nil
}
