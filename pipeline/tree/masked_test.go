package tree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package that was built again under its name, with the size and the time that
// it had, would be left out by a sync, and its metadata would go: nothing is synced.
func TestPackageThatLooksTheSame(t *testing.T) {
	w := newWorld(t, t.TempDir())
	at := w.compose("BaseOS/x86_64/os")
	repo(t, at, map[string]string{"bash": "bytes", "zlib": "other"}, false)
	w.must("stage")
	file := filepath.Join(at, "Packages", "b", "bash-1-1.noarch.rpm")
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	repo(t, at, map[string]string{"bash": "BYTES", "zlib": "other"}, false)
	if err := os.Chtimes(file, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	w.fails("stage", "BaseOS/x86_64/os", "bash-1-1.noarch.rpm", "touch")
	if err := os.Chtimes(file, before.ModTime().Add(1e9), before.ModTime().Add(1e9)); err != nil {
		t.Fatal(err)
	}
	w.must("stage")
	got, err := os.ReadFile(w.staging("BaseOS/x86_64/os/Packages/b/bash-1-1.noarch.rpm"))
	if err != nil || !strings.Contains(string(got), "BYTES") {
		t.Errorf("staging has %q, %v", got, err)
	}
}
