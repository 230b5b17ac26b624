package cli_test

import (
	"slices"
	"sync"
	"testing"
)

// Three operators confirm one plan at the same moment: one wins, and the others
// are told of a conflict.
func TestOneOfThreeWins(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for range 3 {
		for _, verb := range []string{"promote", "rollback"} {
			phrase := v.phrase(verb)
			codes := make([]int, 3)
			said := make([][]byte, 3)
			var wg sync.WaitGroup
			for i := range codes {
				cmd := v.command("gantry", verb, "core-el9", "--confirm", phrase)
				wg.Go(func() {
					said[i], _ = cmd.CombinedOutput() // the exit code tells
					codes[i] = cmd.ProcessState.ExitCode()
				})
			}
			wg.Wait()
			if slices.Sort(codes); !slices.Equal(codes, []int{0, 4, 4}) {
				t.Fatalf("%s: exit codes %v\n%s", verb, codes, said)
			}
			v.judge("after a race of %s", verb)
		}
	}
}
