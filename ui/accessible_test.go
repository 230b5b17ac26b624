package ui

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
)

// converseWith types lines into the accessible console and returns what it says.
func converseWith(t *testing.T, f *fake, o Options, lines ...string) string {
	t.Helper()
	var out bytes.Buffer
	o.Accessible, o.Input, o.Output, o.Now = true, strings.NewReader(strings.Join(lines, "\n")+"\n"), &out, func() time.Time { return noon }
	if err := Run(t.Context(), f, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// quick ends every run as soon as it starts.
func quick(f *fake) *fake {
	f.started = func(p pipeline.Plan) {
		f.view.Runs = append([]pipeline.RunView{{Run: checklist.Run{
			Intent: checklist.Intent{Run: "20261121T120001Z-5eed0009", Verb: p.Verb, Target: p.Target, Title: p.Title, Risk: p.Risk},
			Ended:  &checklist.Ended{Outcome: checklist.Done, Evidence: map[string]string{"packages": "412"}},
		}}}, f.view.Runs...)
	}
	f.view.Runs[0].Live = false
	return f
}

func TestAccessible(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		says  []string
		asked string // that the engine was asked, empty for nothing but plans
	}{
		{"status at the start", nil, []string{"gantry packyard: 2025.4.1 patch, 4 of 10 items complete", "You are neil."}, ""},
		{"help", []string{"help"}, []string{"promote TARGET"}, ""},
		{"list", []string{"list"}, []string{"2  Release notes are reviewed, ready", "Promote core-el9, blocked: needs Verify"}, ""},
		{"item", []string{"item 8"}, []string{"Promote core-el9: step, PRODUCTION, blocked", "Ask: release manager on duty"}, ""},
		{"targets", []string{"targets"}, []string{"core-el9: staging " + snapNew + ", production " + snapNow + ", differs", "DRIFT"}, ""},
		{"runs", []string{"runs"}, []string{"Promote core-el9, unknown, by anna"}, ""},
		{"a safe item asks nothing", []string{"run 10"}, []string{"done: Mirrors have followed"}, `start Mirrors have followed ""`},
		{"tick", []string{"tick 2", "https://git.example/mr/7"}, []string{"Link to the approved merge request", "recorded."}, "tick notes https://git.example/mr/7"},
		{"tick nothing", []string{"tick 2", ""}, []string{"Nothing recorded."}, ""},
		{"waive", []string{"waive notes", "none"}, nil, "waive notes none"},
		{"plan", []string{"plan 5"}, []string{"STAGING: Build core-el9", "17 added, 3 changed, 2 removed", "WARNING: packyard-legacy", "removed packyard-compat.x86_64"}, ""},
		{"run needs y", []string{"run 5", ""}, []string{"y/N", "Not confirmed"}, ""},
		{"run", []string{"run 5", "y"}, []string{"done: Build core-el9", "packages: 412"}, "start Build core-el9"},
		{"promote with another phrase", []string{"promote core-el9", "core-el9 +17 ~3 -2 000000"}, []string{"PRODUCTION", "Not confirmed"}, ""},
		{"promote with y", []string{"promote core-el9", "y"}, []string{"Not confirmed"}, ""},
		{"promote with nothing", []string{"promote core-el9"}, []string{"PRODUCTION"}, ""},
		{"promote", []string{"promote core-el9", "PHRASE"}, []string{"done: Promote core-el9"}, "start Promote core-el9"},
		{"rollback", []string{"rollback core-el9", "1", "PHRASE"}, []string{"1  " + snapOld}, "plan rollback core-el9 " + snapOld},
		{"rollback to nothing", []string{"rollback core-el9", "7"}, []string{"Nothing chosen."}, ""},
		{"rollback of no target", []string{"rollback x"}, []string{`no target "x"`}, ""},
		{"hold", []string{"hold mirror down"}, []string{"held"}, "hold mirror down"},
		{"lift", []string{"hold", "lift", "lift 0a1b2c"}, []string{"lifted."}, "lift lift 0a1b2c"},
		{"lift with another phrase", []string{"hold", "lift", "yes"}, []string{"the hold stands"}, "hold"},
		{"cancel", []string{"cancel r1"}, nil, "cancel r1"},
		{"no such item", []string{"run 99"}, []string{`no item "99"`, "type list"}, ""},
		{"no such command", []string{"frob\x1b[2J"}, []string{`frob\\x1b[2J`}, ""},
		{"quit", []string{"quit", "hold"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := quick(newFake(t))
			lines := append([]string{}, tt.lines...)
			for i := range lines {
				lines[i] = strings.ReplaceAll(lines[i], "PHRASE", f.plan.Phrase())
			}
			said := converseWith(t, f, Options{}, lines...)
			for _, w := range tt.says {
				if !strings.Contains(said, w) {
					t.Errorf("does not say %q:\n%s", w, said)
				}
			}
			if strings.Contains(said, "\x1b") {
				t.Errorf("holds an escape: %q", said)
			}
			if tt.asked != "" && !f.did(tt.asked) {
				t.Errorf("asked %q, want %q", f.asked, tt.asked)
			}
			for _, a := range f.asked {
				if tt.asked == "" && !strings.HasPrefix(a, "plan") {
					t.Errorf("asked the engine to %s", a)
				}
			}
		})
	}
}

func TestAccessibleReadOnly(t *testing.T) {
	f := newFake(t)
	said := converseWith(t, f, Options{ReadOnly: true}, "help", "hold", "promote core-el9", "tick 2")
	if !strings.Contains(said, "READ-ONLY") || strings.Contains(said, "promote TARGET") || len(f.asked) > 0 {
		t.Errorf("asked %q, said:\n%s", f.asked, said)
	}
}

func TestAccessibleQuitAsksWhileARunLives(t *testing.T) {
	said := converseWith(t, newFake(t), Options{}, "quit", "n", "status", "quit", "y", "list")
	if strings.Count(said, "1 run is live") != 2 || strings.Contains(said, "Production:") {
		t.Errorf("said:\n%s", said)
	}
}
