package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// Before clients refuse what production serves the operator is told, without
// asking; when that is, is asked once for each snapshot.
func TestExpiry(t *testing.T) {
	now := time.Now().Add(-1000 * time.Hour)
	asked := 0
	broken := errors.New("it is broken")
	expires := func(_ context.Context, s storage.Served, id string) (time.Time, error) {
		asked++
		made, err := storage.ParseID(id)
		return made.Add(30 * time.Hour), errors.Join(err, broken)
	}
	e := begun(t, setup(t), pipeline.Options{Trades: map[config.Format]pipeline.Trade{"rpm": {Expires: expires}}, Now: func() time.Time { return now }})
	warned := func(want string) {
		t.Helper()
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w := strings.Join(e.View().Targets[0].Warnings, "; "); want == "" && w != "" || !strings.Contains(w, want) {
			t.Errorf("the warning is %q, want %q", w, want)
		}
	}
	release := func() {
		t.Helper()
		for _, job := range []string{"build:el9", "promote:el9"} {
			now = now.Add(time.Minute)
			if err := do(t, e, pipeline.Job{Item: job}); err != nil {
				t.Fatal(err)
			}
		}
	}
	warned("")
	if asked > 0 {
		t.Error("asked of nothing")
	}
	release()
	warned("cannot be told: it is broken")
	broken, asked = nil, 0
	warned("")
	now = now.Add(19 * time.Hour)
	warned("")
	now = now.Add(2 * time.Hour)
	warned("clients accept what production serves only until")
	now = now.Add(9 * time.Hour)
	warned("clients refuse what production serves since")
	if asked != 1 {
		t.Errorf("asked %d times of one snapshot", asked)
	}
	release()
	warned("")
	if asked != 2 {
		t.Errorf("asked %d times of two snapshots", asked)
	}
}
