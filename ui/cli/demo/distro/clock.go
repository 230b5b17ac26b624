package distro

import (
	"sync/atomic"
	"time"
)

// Clock is the clock of a demo: it begins more than a day before now, so that it
// can be set forward over the wait for the bitflip, and is right afterwards. No
// event of a demo lies in the future then.
type Clock struct{ behind atomic.Int64 }

// start is how far behind it begins: the wait for the bitflip, and a while to
// work in.
const start = 26 * time.Hour

// NewClock returns a clock that is behind.
func NewClock() *Clock {
	c := &Clock{}
	c.behind.Store(int64(start))
	return c
}

// Now is the time by the clock.
func (c *Clock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }

// Forward sets it to at, or to the present where at lies after that. It never
// goes back.
func (c *Clock) Forward(at time.Time) {
	behind := max(time.Since(at), 0)
	if behind < time.Duration(c.behind.Load()) {
		c.behind.Store(int64(behind))
	}
}
