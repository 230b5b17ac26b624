package ui

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGroupByKeys promotes every target of the demo under one confirmation, of
// all formats, on the real engine.
func TestGroupByKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	d := newDesk(t, 80, 24)
	targets := []string{"core-el9", "core-el9-arm", "core-noble", "core-bookworm", "core-image"}
	items := []string{"gpg-key", "cosign-key", "secrets", "staging"}
	for _, target := range targets {
		items = append(items, "staged:"+target)
	}
	items = append(items, "space")
	for _, verb := range []string{"build:", "stage:", "verify-staging:"} {
		for _, target := range targets {
			items = append(items, verb+target)
		}
	}
	if out, err := exec.Command(d.gantry, append([]string{"-C", filepath.Join(d.dir, "release.yaml"), "run"}, items...)...).CombinedOutput(); err != nil {
		t.Fatalf("run the items before: %v\n%s", err, out)
	}

	d.press("3")
	d.sees("5 of 5 differ")
	d.press("m")
	d.sees("5 marked")
	d.press("p")
	phrase := d.phrase()
	d.types(phrase[:len(phrase)-1] + "x")
	d.press("Enter")
	d.sees("that is not the phrase")
	d.press("Escape")
	d.gone("To confirm")
	d.stays("", "a wrong phrase and Esc")

	d.press("p")
	d.confirm(d.phrase())
	d.sees("promote: 5 of 5 moved")
	d.sees("0 of 5 differ")
	if d.production() == "" {
		t.Error("the screen says that all moved, and production serves nothing")
	}
	d.press("U") // what served nothing before has no way back
	d.sees("served nothing before")
	d.press("Escape")
	d.gone("No plan")
	d.press("q")
	d.sees("the demo stays in")
}
