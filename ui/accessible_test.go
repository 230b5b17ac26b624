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
	f.grouped = func(g pipeline.Group) {
		of := checklist.Group{Grouped: checklist.Grouped{Group: groupID, Verb: g.Verb}, Moved: map[string]checklist.Move{}, Ended: &checklist.GroupOver{}}
		for _, p := range g.Plans {
			of.Targets = append(of.Targets, p.Target)
			of.Moved[p.Target] = *p.Move
		}
		f.view.Group = &pipeline.GroupView{Group: of}
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
		{"help", []string{"help"}, []string{"promote TARGET", "choose RELEASE", "early N", "undo N", "review TARGET"}, ""},
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
		{"promote several", []string{"promote core-el9 core-el8", "GROUP"}, []string{"PRODUCTION: promote core-el9", "Left out: core-el8", "PRODUCTION of 1 target", "promote: 1 of 1 moved", "done: promote"}, "start 1 together"},
		{"promote several with another phrase", []string{"promote core-el9 core-el8", "PHRASE"}, []string{"Not confirmed"}, ""},
		{"roll several back", []string{"rollback core-el9 tools-el9", ""}, []string{"Not confirmed"}, "plan rollback tools-el9 with others"},
		{"early needs a reason", []string{"early 9", ""}, []string{"Nothing recorded."}, ""},
		{"early", []string{"early 9", "embargo lifted"}, []string{"recorded."}, "early announce embargo lifted"},
		{"undo of an item", []string{"undo 5", "y"}, []string{"done: Build core-el9"}, "start Build core-el9"},
		{"choose", []string{"choose patch-10.1"}, []string{"gantry packyard"}, "choose patch-10.1"},
		{"choose nothing", []string{"choose"}, []string{"open are patch-2025.4.1"}, ""},
		{"review", []string{"review core-el9"}, []string{"DOWNGRADE tomcat.noarch 9.0.110-1 to 9.0.87-4", "upgraded openssl.x86_64 3.5.1-3 to 3.5.1-4 RLSA-2025:21248"}, "review core-el9"},
		{"nothing to resume", []string{"resume"}, []string{"moved only in part"}, ""},
		{"nothing to undo", []string{"undo"}, []string{"moved anything"}, ""},
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
			f.review = reviewed()
			lines := append([]string{}, tt.lines...)
			for i := range lines {
				lines[i] = strings.ReplaceAll(lines[i], "PHRASE", f.plan.Phrase())
				if lines[i] == "GROUP" {
					g, _ := f.PlanGroup(t.Context(), []pipeline.Job{{Verb: "promote", Target: "core-el9"}, {Verb: "promote", Target: "core-el8"}})
					lines[i] = g.Phrase()
				}
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

func TestAccessiblePartialGroup(t *testing.T) {
	f := several(t)
	inPart(f, false)
	f.grouped = func(pipeline.Group) {} // it ends as it did before
	g, _ := f.PlanGroup(t.Context(), []pipeline.Job{{Verb: "promote", Target: "core-noble"}, {Verb: "promote", Target: "core-image"}})
	said := converseWith(t, f, Options{}, "targets", "resume", g.Phrase(), "undo", "")
	for _, want := range []string{"PARTIAL promote: 1 of 3 moved. Type resume", "moved in the promote that is partial", "NOT MOVED in", "production from none to " + snapNew,
		"the disk is full", "type resume to move the rest, or undo", "Not confirmed"} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
	if !f.did("start 2 together") || !f.did("undo "+groupID) || !f.did("plan rollback core-el9 with others") {
		t.Errorf("asked %q", f.asked)
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

// The day is said as it is shown: of every release what is next, and the world.
func TestAccessibleDay(t *testing.T) {
	got := converseWith(t, releaseDay(t), Options{}, "day")
	for _, want := range []string{
		"final-9.7-RC2: 11 of 19 items complete, due in 2h14m", "done at the earliest Nov 22 11:41 UTC",
		"Hardlink Run: ready, usually takes 12m00s", "Bitflip after 24-48 Hours: waiting, opens in 23h41m",
		"File lists: blocked by Hardlink Run", "Promote rocky-10: LATE, failed",
		"website is up since 1h", "download is DOWN since 2m: answered 404", "wiki: not looked yet",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

// A plan with alarms is said with them, and its phrase is typed whatever its risk.
func TestAccessibleAlarms(t *testing.T) {
	f := quick(distribution(t))
	f.plan.Risk = checklist.Staging
	phrase := f.plan.Phrase()
	got := converseWith(t, f, Options{}, "promote rocky-9", "y")
	for _, want := range []string{"41288 added, 312 changed, 4112 removed", "ALARM removes-many", "of AppStream/s390x: 0 added, 0 changed, 4096 removed", phrase, "HALF DONE rocky-8", "Not confirmed"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	if f.did("start") {
		t.Error("y confirmed an alarm")
	}
	if converseWith(t, f, Options{}, "promote rocky-9", phrase); !f.did("start") {
		t.Errorf("the phrase confirmed nothing: %q", f.asked)
	}
}
