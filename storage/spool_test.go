package storage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/config"
	"gantry/storage"
)

func TestSpoolFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	f := must(storage.SpoolFile())(t)
	defer f.Close()
	if filepath.Dir(f.Name()) != dir {
		t.Errorf("it was made as %s, TMPDIR is %s", f.Name(), dir)
	}
	if left := must(os.ReadDir(dir))(t); len(left) > 0 {
		t.Errorf("it has a name: %s", left[0].Name())
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	if _, err := storage.SpoolFile(); err == nil || !strings.Contains(config.HintOf(err), "TMPDIR") {
		t.Errorf("without its directory: %v (%s)", err, config.HintOf(err))
	}
	t.Setenv("TMPDIR", "")
	f = must(storage.SpoolFile())(t)
	defer f.Close()
	if _, err := os.Stat("/var/tmp"); err == nil && filepath.Dir(f.Name()) != "/var/tmp" {
		t.Errorf("it was made as %s although there is /var/tmp", f.Name())
	}
}
