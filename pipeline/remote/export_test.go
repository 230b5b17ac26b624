package remote

import (
	"context"
	"time"
)

// Hurry makes waits short, and bounds how long a run is looked for and waited for.
func Hurry(shown, end time.Duration) {
	wait = func(ctx context.Context, d time.Duration) error {
		select {
		case <-time.After(min(d, time.Millisecond)):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	shownWithin, endWithin = shown, end
}

// Parse reads a workflow's file, and says how many inputs it has.
func Parse(file []byte) (int, error) {
	d, err := parse(file)
	if err == nil {
		err = d.check(nil)
		d.defaults(nil)
	}
	return len(d.inputs), err
}
