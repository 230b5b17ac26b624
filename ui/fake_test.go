package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
	"gantry/storage"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	snapOld = "20261114T090000Z"
	snapNow = "20261118T101500Z"
	snapNew = "20261121T113012Z"
)

// fake is a console without an engine: a small world that tests arrange, and a
// record of what was asked of it.
type fake struct {
	mu      sync.Mutex
	view    pipeline.View
	events  []checklist.Event
	staged  []storage.Artifact
	plan    pipeline.Plan
	err     error // of the next Plan or Start
	asked   []string
	changed chan struct{}
	log     string
	started func(pipeline.Plan)  // what a start does to the world, nil for nothing
	grouped func(pipeline.Group) // likewise, of a group

	findings map[string][]string
	findErr  error
	review   *pipeline.Review
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

// did tells whether something was asked that begins with the words.
func (f *fake) did(words string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.asked, func(s string) bool { return strings.HasPrefix(s, words) })
}

// times is how often something was asked in these words.
func (f *fake) times(words string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.asked {
		if s == words {
			n++
		}
	}
	return n
}

func (f *fake) Refresh(context.Context) error { return nil }
func (f *fake) View() pipeline.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.view
	v.Runs, v.Targets = slices.Clone(v.Runs), slices.Clone(v.Targets)
	return v
}
func (f *fake) Watch(context.Context) { f.note("watch") }

func (f *fake) Early(_ context.Context, item, reason string) error {
	f.note("early %s %s", item, reason)
	return f.err
}

func (f *fake) Choose(_ context.Context, release string) error {
	f.note("choose %s", release)
	return f.err
}

func (f *fake) Review(_ context.Context, target string) (*pipeline.Review, error) {
	f.note("review %s", target)
	return f.review, f.err
}

func (f *fake) Changed() <-chan struct{} { return f.changed }

func (f *fake) Plan(_ context.Context, job pipeline.Job) (pipeline.Plan, error) {
	f.note("plan %s%s %s %s", job.Item, job.Verb, job.Target, job.To)
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.plan
	if it := f.find(job.Item); it != nil {
		p.Item, p.Title, p.Risk, p.Target = it.Item, it.Title, it.Risk, it.Target
		if it.Risk != checklist.Production {
			p.Move = nil
		}
	}
	return p, f.err
}

func (f *fake) find(id string) *checklist.ItemView {
	for i := range f.view.Checklist.Sections {
		for j := range f.view.Checklist.Sections[i].Views {
			if it := &f.view.Checklist.Sections[i].Views[j]; it.ID == id {
				return it
			}
		}
	}
	return nil
}

func (f *fake) Start(_ context.Context, p pipeline.Plan, typed string) (*pipeline.Active, error) {
	f.note("start %s %q", p.Title, typed)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started != nil && f.err == nil {
		f.started(p)
	}
	return nil, f.err
}
func (f *fake) PlanGroup(_ context.Context, jobs []pipeline.Job) (pipeline.Group, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := pipeline.Group{Name: "packyard", Title: "Promote targets"}
	for _, job := range jobs {
		f.asked = append(f.asked, fmt.Sprintf("plan %s %s with others", job.Verb, job.Target))
		g.Verb = job.Verb
		p := f.plan
		p.Target, p.Verb, p.Title = job.Target, job.Verb, job.Verb+" "+job.Target
		var t pipeline.TargetView
		for _, one := range f.view.Targets {
			if one.Name == job.Target {
				t = one
			}
		}
		if t.InStep() {
			g.Left = append(g.Left, t.Name+": production serves what is staged")
			continue
		}
		p.Move = &checklist.Move{Pointer: "production", From: t.Production, To: t.Staging}
		g.Plans = append(g.Plans, p)
	}
	return g, f.err
}
func (f *fake) StartGroup(_ context.Context, g pipeline.Group, typed string) (*pipeline.ActiveGroup, error) {
	f.note("start %d together %q", len(g.Plans), typed)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grouped != nil && f.err == nil {
		f.grouped(g)
	}
	return nil, f.err
}
func (f *fake) Undo(_ context.Context, group string) ([]pipeline.Job, error) {
	f.note("undo %s", group)
	return []pipeline.Job{{Verb: "rollback", Target: "core-el9", To: snapNow}}, nil
}
func (f *fake) Findings(context.Context, []storage.Artifact) (map[string][]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.findings, f.findErr
}
func (f *fake) Cancel(_ context.Context, run string) error { f.note("cancel %s", run); return nil }
func (f *fake) Resolve(_ context.Context, run string) error {
	f.note("resolve %s", run)
	return nil
}
func (f *fake) Tick(_ context.Context, item, note string) error {
	f.note("tick %s %s", item, note)
	return nil
}
func (f *fake) Waive(_ context.Context, item, why string) error {
	f.note("waive %s %s", item, why)
	return nil
}
func (f *fake) Clear(_ context.Context, item, why string) error {
	f.note("clear %s %s", item, why)
	return nil
}
func (f *fake) Hold(_ context.Context, why string) error {
	f.note("hold %s", why)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view.Hold = &checklist.Hold{Actor: "ops", Time: noon, Reason: why}
	return nil
}
func (f *fake) LiftPhrase() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view.Hold == nil {
		return ""
	}
	return "lift 0a1b2c"
}
func (f *fake) Lift(_ context.Context, typed string) error { f.note("lift %s", typed); return nil }
func (f *fake) Adopt(_ context.Context, target, typed string) error {
	f.note("adopt %s %q", target, typed)
	if typed == "" {
		return &pipeline.ConfirmError{Plan: pipeline.Plan{Title: "Adopt what " + target + " serves"}, Phrase: "adopt " + target + " 00ff11"}
	}
	return nil
}
func (f *fake) Artifacts(context.Context, string) ([]storage.Artifact, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.staged), nil
}
func (f *fake) VerifyArtifacts(_ context.Context, as []storage.Artifact, p *pipeline.Progress) ([]storage.Artifact, error) {
	f.note("verify %d", len(as))
	out := slices.Clone(as)
	for i := range out {
		out[i].Verdict = storage.Verified
		p.Add(out[i].Size)
	}
	return out, nil
}
func (f *fake) RemoveArtifact(_ context.Context, a storage.Artifact) error {
	f.note("remove %s", a.File)
	return nil
}
func (f *fake) Templates() ([]*checklist.Template, error) { return checklist.Builtin(), nil }
func (f *fake) OpenRelease(_ context.Context, kind, version string, _ time.Time, _ ...string) (string, error) {
	f.note("open %s %s", kind, version)
	return kind + "-" + version, f.err
}
func (f *fake) CloseRelease(_ context.Context, abort bool, reason string) error {
	f.note("close %v %s", abort, reason)
	return nil
}
func (f *fake) History() []checklist.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events
}
func (f *fake) RunLog(_ context.Context, run string) (string, error) {
	if f.log == "" {
		return "", fmt.Errorf("run %s has no log", run)
	}
	return f.log, nil
}

// set changes the world.
func (f *fake) set(change func(v *pipeline.View)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.view)
}

func newFake(t testing.TB) *fake {
	f, err := patchDay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// patchDay is a patch day in its middle; its log is written into dir.
func patchDay(dir string) (*fake, error) {
	f := &fake{changed: make(chan struct{}, 1), log: filepath.Join(dir, "log")}
	var log strings.Builder
	for i := range 40 {
		fmt.Fprintf(&log, "11:%02d:07 verified packyard-agent-%d.el9.x86_64.rpm\n", i, i)
	}
	if err := os.WriteFile(f.log, []byte(log.String()), 0o600); err != nil {
		return nil, err
	}

	done := func(who string, ago time.Duration, note string) *checklist.ItemState {
		return &checklist.ItemState{Ticked: &checklist.Mark{Actor: who, Time: noon.Add(-ago), Note: note}}
	}
	ran := func(id string, ago, took time.Duration, ev map[string]string) *checklist.ItemState {
		return &checklist.ItemState{Run: &checklist.Run{
			Intent: checklist.Intent{Run: id, Verb: "build", Title: "Build core-el9", Target: "core-el9", Risk: checklist.Staging},
			Actor:  "neil", Host: "rel1", Started: noon.Add(-ago), EndedAt: noon.Add(took - ago),
			Ended: &checklist.Ended{Run: id, Outcome: checklist.Done, Evidence: ev},
		}}
	}
	stageRun := &checklist.Run{
		Intent: checklist.Intent{Run: "20261121T115812Z-5eed0001", Item: "verify-staging", Verb: "verify", Title: "Verify staging of core-el9", Target: "core-el9", Risk: checklist.Safe},
		Actor:  "neil", Host: "rel1", Started: noon.Add(-108 * time.Second),
	}
	item := func(id, title string, kind checklist.Kind, risk checklist.Risk, s checklist.Status, st *checklist.ItemState) checklist.ItemView {
		return checklist.ItemView{Item: checklist.Item{ID: id, Title: title, Kind: kind, Risk: risk, Target: "core-el9"}, Status: s, State: st}
	}
	sections := []checklist.SectionView{
		{Section: checklist.Section{Title: "Before"}, Views: []checklist.ItemView{
			item("tests", "Test report is green", checklist.Manual, checklist.Safe, checklist.StatusDone, done("anna", 3*time.Hour, "https://ci.example/runs/4711, 1 204 passed")),
			item("notes", "Release notes are reviewed", checklist.Manual, checklist.Safe, checklist.StatusReady, nil),
			item("key", "Signing key is real and not expiring", checklist.Check, checklist.Safe, checklist.StatusDone, ran("20261121T101502Z-5eed0002", 105*time.Minute, 2*time.Second, map[string]string{"expires": "2028-03-01"})),
			item("docs", "Documentation is published", checklist.Manual, checklist.Safe, checklist.StatusWaived, &checklist.ItemState{Waived: &checklist.Mark{Actor: "neil", Time: noon.Add(-time.Hour), Note: "no change in this patch"}}),
		}},
		{Section: checklist.Section{Title: "Staging"}, Views: []checklist.ItemView{
			item("build", "Build core-el9", checklist.Step, checklist.Staging, checklist.StatusDone, ran("20261121T113012Z-5eed0003", 30*time.Minute, 131*time.Second, map[string]string{"packages": "412", "snapshot": snapNew})),
			item("verify-staging", "Verify staging of core-el9", checklist.Check, checklist.Safe, checklist.StatusRunning, &checklist.ItemState{Run: stageRun}),
			item("smoke", "Testers installed from staging", checklist.Manual, checklist.Safe, checklist.StatusStale, done("anna", 2*time.Hour, "el9 and el8 by hand")),
		}},
		{Section: checklist.Section{Title: "Production"}, Views: []checklist.ItemView{
			item("promote", "Promote core-el9", checklist.Step, checklist.Production, checklist.StatusBlocked, nil),
			item("announce", "Announce to subscribers", checklist.Manual, checklist.Safe, checklist.StatusWaiting, nil),
			item("mirrors", "Mirrors have followed", checklist.Check, checklist.Safe, checklist.StatusFailed, nil),
		}},
	}
	find := func(id string) *checklist.ItemView {
		for i := range sections {
			for j := range sections[i].Views {
				if sections[i].Views[j].ID == id {
					return &sections[i].Views[j]
				}
			}
		}
		return nil
	}
	pr := find("promote")
	pr.Needs, pr.Because, pr.Killer = []string{"verify-staging", "smoke"}, "needs Verify staging of core-el9", true
	pr.Help = "Serves the staged snapshot to every client. Packages stay reachable under the addresses that clients know. Undo: r in the targets view."
	pr.Who = "release manager on duty"
	find("notes").Asks = "Link to the approved merge request"
	find("notes").Help = "Every fixed advisory is named, with its number."
	find("announce").Opens, find("announce").Because = noon.Add(26*time.Hour), "its window opens a day after production"
	find("mirrors").Because = "2 of 31 mirrors are behind"
	find("smoke").Because = "core-el9 was built again after it was done"

	rel := &checklist.ReleaseState{Opened: checklist.Opened{
		ID: "patch-2025.4.1", Kind: "patch", Version: "2025.4.1", Due: noon.Add(2*time.Hour + 14*time.Minute + 33*time.Second),
		Checklist: checklist.Checklist{Owner: "Release engineering", Channels: []string{"#releases"}, Contacts: []checklist.Contact{{Name: "Anna", Address: "anna@example.org"}}},
	}}
	verify := pipeline.RunView{Run: *stageRun, Live: true, Own: true, Status: pipeline.Status{
		Phase: "verify packages", Unit: pipeline.Files, Done: 237, Total: 412, Current: "Packages/p/packyard-agent-2025.4.1-1.el9.x86_64.rpm",
		Started: noon.Add(-60 * time.Second), At: noon,
	}}
	f.view = pipeline.View{
		Now: noon, Product: "packyard", Actor: "neil", Head: 3,
		Checklist: checklist.View{Release: rel, Sections: sections, Done: 4, Total: 10},
		Open:      []*checklist.ReleaseState{rel},
		Targets: []pipeline.TargetView{
			{Name: "core-el9", Format: "rpm", Path: "rpm/core/2025/el9-x86_64", URL: "https://packages.example.org/rpm/core/2025/el9-x86_64",
				Staging: snapNew, Production: snapNow, Snapshots: []pipeline.SnapshotView{
					{ID: snapNew}, {ID: snapNow, Published: noon.Add(-74 * time.Hour), Current: true}, {ID: snapOld, Published: noon.Add(-7 * 24 * time.Hour)},
				}},
			{Name: "core-el8", Format: "rpm", Path: "rpm/core/2025/el8-x86_64", Staging: snapNow, Production: snapNow,
				Snapshots: []pipeline.SnapshotView{{ID: snapNow, Published: noon.Add(-74 * time.Hour), Current: true}}},
			{Name: "tools-el9", Format: "rpm", Path: "rpm/tools/2025/el9-aarch64", Staging: snapNow, Production: snapOld,
				Drift: "production serves " + snapOld + ", the journal says " + snapNow},
		},
		Runs: []pipeline.RunView{verify, {Run: *find("build").State.Run}, {Run: *find("key").State.Run},
			{Run: checklist.Run{Intent: checklist.Intent{Run: "20261118T100000Z-5eed0004", Verb: "promote", Title: "Promote core-el9", Target: "core-el9", Risk: checklist.Production}, Actor: "anna", Host: "rel2", Started: noon.Add(-74 * time.Hour)}}},
	}
	f.plan = pipeline.Plan{
		Verb: "promote", Title: "Promote core-el9: every client gets 2025.4.1", Target: "core-el9", Risk: checklist.Production,
		Move:     &checklist.Move{Pointer: "production", From: snapNow, To: snapNew, Revision: 1795260612},
		Bytes:    48 << 20,
		Warnings: []string{"packyard-legacy goes away; 1 package of this repository requires it"},
		Removed:  []pipeline.Change{{Name: "packyard-legacy.noarch", From: "2024.9-3"}, {Name: "packyard-compat.x86_64", From: "2025.3-1"}},
		Facts:    map[string]string{"key": "9F1C 2B7A 44E0 51D3", "manifest": "sha256:41d0c77f0e"},
	}
	for i := range 17 {
		f.plan.Added = append(f.plan.Added, pipeline.Change{Name: fmt.Sprintf("packyard-plugin-%02d.x86_64", i+1), To: "2025.4.1-1", Size: int64(900000 + i*37000)})
	}
	for _, n := range []string{"packyard-agent.x86_64", "packyard-cli.x86_64", "packyard-server.x86_64"} {
		f.plan.Changed = append(f.plan.Changed, pipeline.Change{Name: n, From: "2025.4.0-2", To: "2025.4.1-1", Size: 9 << 20})
	}
	f.events = []checklist.Event{
		event(1, "anna", checklist.ReleaseOpened, checklist.Opened{ID: "patch-2025.4.1", Kind: "patch", Version: "2025.4.1"}),
		event(2, "anna", checklist.ItemTicked, checklist.Ticked{Item: "tests", Note: "1 204 passed"}),
		event(3, "neil", checklist.RunIntent, stageRun.Intent),
	}
	f.staged = artifacts(12)
	f.staged[3].Verdict, f.staged[3].Detail = storage.Mismatch, "the file is 77d1..., its sidecar says 20bf..."
	f.staged[5].Verdict = storage.Verified
	return f, nil
}

func event(seq uint64, who, kind string, data any) checklist.Event {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return checklist.Event{Seq: seq, Time: noon.Add(time.Duration(seq)*time.Minute - time.Hour), Actor: who, Host: "rel1", Release: "patch-2025.4.1", Type: kind, Data: b}
}

// artifacts makes n staged packages.
func artifacts(n int) []storage.Artifact {
	out := make([]storage.Artifact, n)
	for i := range out {
		out[i] = storage.Artifact{
			Place: storage.Place{Component: "core", Series: "2025", Format: "rpm", OS: "el9-x86_64"},
			File:  fmt.Sprintf("packyard-plugin-%05d-2025.4.1-1.el9.x86_64.rpm", i),
			Size:  int64(100_000 + i*7919%5_000_000), Modified: noon.Add(-time.Duration(i%600) * time.Minute), Verdict: storage.Unverified,
			Digest: "41d0c77f0e0f4b1f8f5a1d2c3b4a59687786f5e4d3c2b1a00918273645546372",
		}
	}
	return out
}

var _ Console = (*fake)(nil)
