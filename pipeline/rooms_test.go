package pipeline_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// Arrows between rooms point down only, and a trade imports no other trade.
func TestRooms(t *testing.T) {
	floor := map[string]int{"config": 1, "checklist": 2, "storage": 2, "pipeline": 3, "ui": 4}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "gantry/...")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("no go command to ask: %v", err)
	}
	used := map[string]bool{"sign": true, "check": true, "command": true, "forge": true,
		"repository": true, "repodata": true, "walk": true, "placeholder": true, "proof": true, "cosign": true, "channel": true, "subscriber": true, "image": true, "aside": true} // by trades
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for dec.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := strings.Split(p.ImportPath, "/")
		if len(from) < 2 {
			continue // main may import anything
		}
		seen++
		for _, imported := range p.Imports {
			to := strings.Split(imported, "/")
			if to[0] != "gantry" {
				continue
			}
			if len(to) < 2 || floor[to[1]] > floor[from[1]] || floor[to[1]] == floor[from[1]] && to[1] != from[1] {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			if from[1] == "pipeline" && len(to) > 2 && to[1] == "pipeline" && !used[to[2]] {
				t.Errorf("%s imports the trade %s", p.ImportPath, imported)
			}
		}
	}
	if seen < 9 {
		t.Errorf("only %d packages were looked at", seen)
	}
}
