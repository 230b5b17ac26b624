package tree_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What mirrors still serve is compared with what production served before.
func TestEarlier(t *testing.T) {
	w := newWorld(t, t.TempDir())
	at := time.Now()
	for i, text := range []string{"one", "two", "", "three"} {
		w.now = func() time.Time { return at.Add(time.Duration(i) * 3 * time.Hour) }
		if text != "" {
			put(t, w.compose("BaseOS/note"), text)
		}
		put(t, w.compose("other"), strings.Repeat("x", i)) // so that there is something to sync
		w.must("stage")
		w.must("promote")
	}
	for path, want := range map[string]string{
		"pub/9.7/BaseOS/note":      "two one",
		"pub/9.7/BaseOS/none":      "",
		"pub/9.6/BaseOS/note":      "", // of another edition
		"pub/9.7/BaseOS/note/deep": "",
	} {
		all, err := w.served().(interface {
			Earlier(context.Context, string) ([][]byte, error)
		}).Earlier(t.Context(), path)
		var got []string
		for _, one := range all {
			got = append(got, string(one))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}
