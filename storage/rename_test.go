package storage_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"gantry/storage"
)

// A file of a build may get the name that its content asks for, in its own
// directory and nowhere else.
func TestEntryRename(t *testing.T) {
	s, err := storage.OpenServed(t.TempDir(), storage.Face{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Begin(context.Background(), time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	create := func(path string) storage.Entry {
		e, err := b.Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(e, "content of "+path); err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := create("repodata/new")
	for _, bad := range []string{"", ".", "..", "a/b", "../a", ".tmp-a", "a\x00b"} {
		if err := e.Rename(bad); err == nil {
			t.Errorf("renamed to %q", bad)
		}
	}
	if err := e.Rename("named"); err != nil {
		t.Fatal(err)
	}
	f, err := e.Commit()
	if err != nil || f.Path != "repodata/named" {
		t.Fatalf("committed %q, %v", f.Path, err)
	}
	if err := e.Rename("again"); err == nil {
		t.Error("renamed after Commit")
	}
	other := create("repodata/other")
	if err := other.Rename("named"); !errors.Is(err, storage.ErrExists) {
		t.Errorf("renamed over a file: %v", err)
	}
	if err := other.Abort(); err != nil {
		t.Fatal(err)
	}
	top := create("top")
	if err := top.Rename("manifest.json"); err == nil {
		t.Error("renamed to manifest.json")
	}
	if err := top.Rename("top2"); err != nil {
		t.Error(err)
	}
	if f, err := top.Commit(); err != nil || f.Path != "top2" {
		t.Errorf("committed %q, %v", f.Path, err)
	}
}
