package tunnel

import (
	"testing"
	"time"
)

func init() { firstWait, mostWait = time.Millisecond, 20*time.Millisecond }

// Impatient makes tunnels ask and give up early, until the test ends.
func Impatient(t *testing.T, connect, open, ask, silent time.Duration) {
	a, b, c, d := connectIn, openIn, askEvery, silence
	connectIn, openIn, askEvery, silence = connect, open, ask, silent
	t.Cleanup(func() { connectIn, openIn, askEvery, silence = a, b, c, d })
}

// Slow makes tunnels wait long after a failure, until the test ends.
func Slow(t *testing.T) {
	a, b := firstWait, mostWait
	firstWait, mostWait = time.Hour, time.Hour
	t.Cleanup(func() { firstWait, mostWait = a, b })
}
