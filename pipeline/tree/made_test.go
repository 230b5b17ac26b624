package tree_test

import (
	"os"
	"path/filepath"
	"testing"
)

// What layout and signing made of staging is there after the compose is synced
// again; what the compose itself no longer has goes.
func TestStagingKeepsWhatWasMadeOfIt(t *testing.T) {
	w := newWorld(t, t.TempDir())
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(w.compose("metadata", "COMPOSE_ID"), "Rocky-9.7-20251121.101500")
	put(w.compose("BaseOS", "x86_64", "os", "old"), "old")
	put(w.compose("BaseOS", "x86_64", "os", "media.repo"), "media")
	if _, err := w.run("stage", nil); err != nil {
		t.Fatal(err)
	}
	stays := []string{
		w.staging("BaseOS", "x86_64", "kickstart", "Packages", "b", "bash.rpm"),
		w.staging("BaseOS", "x86_64", "os", ".treeinfo-pristine"),
		w.staging("isos", "x86_64", "CHECKSUM"),
	}
	for _, path := range stays {
		put(path, "made")
	}
	goes := w.staging("BaseOS", "x86_64", "os", "old")
	if err := os.Remove(w.compose("BaseOS", "x86_64", "os", "old")); err != nil {
		t.Fatal(err)
	}
	plan, err := w.run("stage", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := plan.Count(); n.Removed != 1 || len(plan.Alarms) > 0 {
		t.Errorf("it removes %d, alarms %v", n.Removed, plan.Alarms)
	}
	for _, path := range stays {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(goes); err == nil {
		t.Error("what the compose no longer has is still there")
	}
}
