package storage

import (
	"context"
	"fmt"
	"time"

	"gantry/config"
)

// behind is the patience with clocks: how far one may be behind the newest
// snapshot.
const behind = 2 * time.Second

// nextID is the second that names a new snapshot: that of now, which must be
// later than those ids, the newest last, and than after. Where it is not, nextID
// waits for the next second.
func nextID(ctx context.Context, ids []string, now time.Time, after int64) (time.Time, error) {
	if len(ids) > 0 {
		newest, err := ParseID(ids[len(ids)-1])
		if err != nil {
			return time.Time{}, err
		}
		after = max(after, newest.Unix())
	}
	second := now.Unix()
	if second <= after {
		second = after + 1
		wait := time.Unix(second, 0).Sub(now)
		if wait > behind {
			return time.Time{}, config.Hint(
				fmt.Errorf("begin a snapshot: the clock says %s, and the newest snapshot is of %s", now.UTC().Format(idForm), time.Unix(after, 0).UTC().Format(idForm)),
				"set the clock right; a snapshot is never older than the one before")
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
	return time.Unix(second, 0).UTC(), nil
}
