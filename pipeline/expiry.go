package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gantry/config"
)

// expiry warns where clients will soon refuse what production serves. When they
// do is asked once for each snapshot, which never changes.
func (e *Engine) expiry(ctx context.Context, t *config.Target, v *TargetView) {
	expires := e.o.Trades[t.Format].Expires
	i := slices.IndexFunc(v.Snapshots, func(s SnapshotView) bool { return s.ID == v.Production })
	if expires == nil || i < 0 {
		return
	}
	s := &v.Snapshots[i]
	if !s.timed {
		until, err := expires(ctx, e.served[v.Name], s.ID)
		if err != nil {
			if !away(err) {
				v.Warnings = append(v.Warnings, "until when clients accept what production serves cannot be told: "+config.Inert(err.Error()))
			}
			return
		}
		s.Expires, s.timed = until, true
	}
	now := e.o.Now()
	const form = "2 Jan 2006 15:04 UTC"
	switch {
	case s.Expires.IsZero():
	case !now.Before(s.Expires):
		v.Warnings = append(v.Warnings, fmt.Sprintf("clients refuse what production serves since %s: gantry refresh %s", s.Expires.UTC().Format(form), v.Name))
	case Expiring(s.Created, s.Expires, now):
		v.Warnings = append(v.Warnings, fmt.Sprintf("clients accept what production serves only until %s: gantry refresh %s", s.Expires.UTC().Format(form), v.Name))
	}
}

// Expiring tells whether less than a third is left of the time for which clients
// accept something, from when it was made until then; zero is for ever.
func Expiring(made, until, now time.Time) bool {
	return !until.IsZero() && until.Sub(now) < until.Sub(made)/3
}
