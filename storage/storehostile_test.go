package storage_test

import (
	"testing"

	"gantry/storage"
)

// A console that stopped between the flip and what it copies afterwards, and
// wakes when another flipped on, leaves what the other's clients need.
func TestStoreFlipThatWasOvertaken(t *testing.T) {
	m := newRAM()
	s := &client{ram: m}
	tree := storeTree(t, s)
	one := edition(t, tree, "one")
	two := edition(t, tree, "two")
	overtaken := false
	storage.OnReach(func(p string) {
		if p == "storetree.flip.put" && !overtaken {
			overtaken = true
			ok(t, storeTree(t, s).Flip(t.Context(), "production", one, two))
		}
	})
	defer storage.OnReach(nil)
	_ = tree.Flip(t.Context(), "production", "", one) // whatever it says
	if in, old := m.get(dists+"In"), m.get(dists+"Old"); in != "id "+two+"\n" || old != "old "+two {
		t.Errorf("some clients read %q, others %q", in, old)
	}
}
