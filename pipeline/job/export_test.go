package job

import (
	"testing"
	"time"
)

// Hasten shortens the times of the package until the test ends; waits is the
// patience with pods.
func Hasten(t *testing.T, waits time.Duration) {
	a, b, c, d, e, f := fastest, slowest, longest, createIn, removeIn, patience
	fastest, slowest, longest, createIn, removeIn, patience = 50*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 10*time.Second, 10*time.Second, waits
	t.Cleanup(func() { fastest, slowest, longest, createIn, removeIn, patience = a, b, c, d, e, f })
}

// FollowMost lets so many logs be followed at a time.
func FollowMost(t *testing.T, n int) {
	was := followMost
	followMost = n
	t.Cleanup(func() { followMost = was })
}

// ParseManifest parses a manifest, and returns the Job as it is made.
func ParseManifest(text []byte, words map[string]string) ([]byte, error) {
	m, err := parseManifest(text, words)
	if err != nil {
		return nil, err
	}
	return m.marked("it", "here", map[string]string{labelRun: "r/1"})
}

// Unpatient shortens the time that the Jobs may take to be removed.
func Unpatient(t *testing.T, d time.Duration) {
	was := removeIn
	removeIn = d
	t.Cleanup(func() { removeIn = was })
}
