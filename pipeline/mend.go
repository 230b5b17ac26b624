package pipeline

import (
	"context"
	"errors"
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
	if _, err := e.news(ctx); err != nil {
		return err // and if another console mended it, there is nothing to mend any more
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	told, err := e.journal.Quarantine(ctx)
	if err != nil {
		return fmt.Errorf("mend the journal: %w", err)
	}
	told.Time, told.Actor, told.Host = e.o.Now().UTC(), e.o.Actor, e.o.Host
	for range attempts {
		written, err := e.journal.Append(ctx, told)
		if err == nil {
			e.apply([]storage.Envelope{written})
			return nil
		}
		if errors.Is(err, storage.ErrConflict) { // others go on already
			_, err = e.read(ctx)
		}
		if err != nil {
			return config.Hint(fmt.Errorf("the torn entry is moved aside, which could not be journalled: %w", err), "gantry history --verify")
		}
	}
	return &ConflictError{Reason: "the torn entry is moved aside, which could not be journalled: others kept writing first"}
}
