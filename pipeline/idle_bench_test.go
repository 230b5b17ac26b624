package pipeline_test

import (
	"fmt"
	"testing"

	"gantry/checklist"
	"gantry/pipeline"
	"gantry/storage"
)

// An idle console asks once a second; the journal has 10,000 entries here.
func BenchmarkIdleRefresh(b *testing.B) {
	cfg := setup(b)
	e := begun(b, cfg, pipeline.Options{})
	d, err := storage.OpenDir(cfg.Path(cfg.State))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	j, err := storage.OpenJournal(b.Context(), d, "journal")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 5000 {
		run := fmt.Sprintf("20250101T000000Z-%08x", i)
		if _, err := j.Append(b.Context(), storage.Envelope{Actor: "a", Host: "h", Type: checklist.RunIntent,
			Data: []byte(`{"run":"` + run + `","verb":"verify","title":"Verify","target":"el9","risk":"safe"}`)}); err != nil {
			b.Fatal(err)
		}
		if _, err := j.Append(b.Context(), storage.Envelope{Actor: "a", Host: "h", Type: checklist.RunEnded, Data: []byte(`{"run":"` + run + `","outcome":"done"}`)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := e.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
