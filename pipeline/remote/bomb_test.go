package remote_test

import (
	"fmt"
	"strings"
	"testing"

	"gantry/pipeline/remote"
)

// TestBombs reads workflows that grow when their aliases are followed: nothing
// does more than read what is there.
func TestBombs(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for n := range 30 {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s*a%d]\n", n+1, n+1, strings.Repeat(fmt.Sprintf("*a%d,", n), 8), n)
	}
	for name, test := range map[string]struct{ file, wrong string }{
		"laughs":       {laughs.String() + "on: *a30\n", "not a list of words"},
		"inputs":       {laughs.String() + "on: {workflow_dispatch: {inputs: {x: *a30}}}\n", "not a mapping"},
		"itself":       {"on: &a {workflow_dispatch: *a}\n", "inputs"},
		"deep":         {strings.Repeat("[", 20_000), ""},
		"deep objects": {"on: " + strings.Repeat("{a: ", 20_000), ""},
		"merge":        {"x: &x {workflow_dispatch: }\non:\n  <<: *x\n", "no workflow_dispatch"},
		"twice":        {"on: push\non: workflow_dispatch\n", "twice"},
	} {
		n, err := remote.Parse([]byte(test.file))
		if name == "itself" && err == nil && n == 0 {
			continue // it has no inputs
		}
		if err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %d inputs, %v", name, n, err)
		}
	}
}
