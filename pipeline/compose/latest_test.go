package compose_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"gantry/pipeline"
	"gantry/pipeline/compose"
)

// compose makes a whole compose of that id.
func (w *world) compose(id string) {
	w.t.Helper()
	w.write("c/9/"+id+"/compose/metadata/COMPOSE_ID", id)
}

var newest = map[string]string{"in": "compose", "link": "{major}/latest-Rocky-{major}", "to": "Rocky-{revision}-*"}

// The link moves only by this step, which its checklist lets be done after the
// repoclosure; it moves by one rename, to a compose that ended.
func TestH14LatestMovesToAWholeComposeAlone(t *testing.T) {
	w := newWorld(t)
	s := w.step("compose.latest", newest)
	w.mkdir("c/9")
	w.refused(s, "no compose")
	w.compose("Rocky-9.6-20260101.000000")
	w.refused(s, "no compose")
	w.compose("Rocky-9.7-20251120.101500")
	w.compose("Rocky-9.7-20251121.101500")
	w.mkdir("c/9/Rocky-9.7-unfinished")
	w.symlink("Rocky-9.6-20260101.000000", "c/9/latest-Rocky-9")
	w.write("c/9/.latest-Rocky-9.gantry.~tmp~", "left by a run that died")

	plan, _ := w.run(s)
	if len(plan.Changed) != 1 || plan.Changed[0].From != "Rocky-9.6-20260101.000000" || w.leads("c/9/latest-Rocky-9") != "Rocky-9.7-20251121.101500" {
		t.Errorf("planned %+v, leads to %s", plan, w.leads("c/9/latest-Rocky-9"))
	}
	if plan, _ := w.run(s); plan.Count() != (pipeline.Counts{}) {
		t.Errorf("the second time planned %+v", plan)
	}

	w.mkdir("c/9/Rocky-9.7-20251122.101500/compose/metadata")
	w.refused(s, "COMPOSE_ID")
	w.compose("Rocky-9.7-20251122.101500")
	w.write("c/9/Rocky-9.7-20251122.101500/STATUS", "DOOMED\n")
	w.refused(s, "STATUS is DOOMED")
	if w.leads("c/9/latest-Rocky-9") != "Rocky-9.7-20251121.101500" {
		t.Error("the link moved")
	}
}

func TestLatestGoesBack(t *testing.T) {
	w := newWorld(t)
	w.compose("Rocky-9.7-20251120.101500")
	s := w.step("compose.latest", newest)
	back := s.(pipeline.Reverser).Reverse()
	w.refused(back, "nothing is known")
	w.run(s)
	w.refused(back, "nothing is known") // there was no link before
	w.compose("Rocky-9.7-20251121.101500")
	w.run(s)
	plan := w.plan(back)
	if _, err := back.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	if at := w.leads("c/9/latest-Rocky-9"); at != "Rocky-9.7-20251120.101500" {
		t.Errorf("went back to %s", at)
	}
	w.refused(back, "nothing is known") // what it named before that, it does not know
	w.run(s)
	w.must(os.RemoveAll(w.path("c/9/Rocky-9.7-20251120.101500")))
	w.refused(back, "not there any more")

	// Others leave links with whole paths, which can be put back too.
	w.must(os.Remove(w.path("c/9/latest-Rocky-9")))
	w.compose("Rocky-9.6-20250101.000000")
	w.symlink(w.path("c/9/Rocky-9.6-20250101.000000"), "c/9/latest-Rocky-9")
	w.run(s)
	if _, err := back.Run(t.Context(), &w.env, w.plan(back), pipeline.NewProgress(nil)); err != nil || w.leads("c/9/latest-Rocky-9") != w.path("c/9/Rocky-9.6-20250101.000000") {
		t.Errorf("went back to %s, %v", w.leads("c/9/latest-Rocky-9"), err)
	}
}

func TestLatestIsCompared(t *testing.T) {
	w := newWorld(t)
	w.compose("Rocky-9.7-20251120.101500")
	s := w.step("compose.latest", newest)
	plan := w.plan(s)
	w.compose("Rocky-9.7-20251121.101500")
	if _, err := s.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("a plan for another compose ran: %v", err)
	}
}

// Whatever the words say, no link leads to itself or takes the place of a
// directory.
func TestH16NoLinkToItself(t *testing.T) {
	for name, tc := range map[string]struct{ link, to, words string }{
		"to itself":        {"pub/9.9", "9.9", "cannot lead to itself"},
		"in its own place": {"pub/9.7-RC2", "{revision}{suffix}", "is there and is no link"},
		"inside of itself": {"pub/9.7-RC2/9.7-RC2", ".", `cannot lead to "."`},
		"upwards":          {"pub/latest-9", "..", `cannot lead to ".."`},
		"far":              {"pub/latest-9", "../pub/9.7-RC2", "cannot lead to"},
		"whole path":       {"pub/latest-9", "/etc", "cannot lead to"},
		"a directory":      {"pub/9.6", "9.7-RC2", "is there and is no link"},
		"to a link":        {"pub/latest-9", "other", "is no directory"},
		"to nothing":       {"pub/latest-9", "9.9", "where pub/latest-9 is to lead"},
		"out of the area":  {"../latest-9", "9.7-RC2", "no name of a link below"},
		"unknown word":     {"pub/latest-{x}", "9.7-RC2", "stands for nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir("s/pub/9.6")
			w.symlink("9.6", "s/pub/other")
			before := w.files("s")
			w.refused(w.step("compose.latest", map[string]string{"link": tc.link, "to": tc.to}), tc.words)
			if after := w.files("s"); len(after) != len(before) {
				t.Errorf("made %v", after)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	const id = "Rocky-9.7-20251121.101500"
	for name, tc := range map[string]struct {
		in     string
		change func(*world)
		words  string
	}{
		"compose":          {"compose", func(*world) {}, ""},
		"staging":          {"staging", func(*world) {}, ""},
		"production":       {"production", func(*world) {}, ""},
		"a newline":        {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/compose/metadata/COMPOSE_ID", id+"\n") }, ""},
		"pungi":            {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/compose/metadata/COMPOSE_ID", "Rocky-9.7-20251121.n.0") }, ""},
		"info":             {"compose", func(w *world) { w.info(id, "9.7") }, ""},
		"finished":         {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/STATUS", "FINISHED\n") }, ""},
		"started":          {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/STATUS", "STARTED") }, "STATUS is STARTED"},
		"failed":           {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/FAILED", "") }, "marker FAILED"},
		"failed inside":    {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/compose/FAILED", "") }, "marker FAILED"},
		"no id":            {"compose", func(w *world) { w.must(os.RemoveAll(w.path("c/9/latest-Rocky-9/compose/metadata"))) }, "no metadata/COMPOSE_ID"},
		"an older staging": {"staging", func(w *world) { w.write(staged+"metadata/COMPOSE_ID", "Rocky-9.7-20251120.101500") }, "staging holds Rocky-9.7-20251120.101500, and compose is " + id},
		"older production": {"production", func(w *world) { w.write("p/pub/9.7/metadata/COMPOSE_ID", "Rocky-9.7-20251120.101500") }, "production holds"},
		"info of another":  {"compose", func(w *world) { w.info("Rocky-9.7-20251120.101500", "9.7") }, "it is of compose"},
		"info of version":  {"compose", func(w *world) { w.info(id, "9.6") }, "it is of version"},
		"no info":          {"compose", func(w *world) { w.write("c/9/latest-Rocky-9/compose/metadata/composeinfo.json", "{") }, "composeinfo.json"},
		"garbage":          {"staging", func(w *world) { w.write(staged+"metadata/COMPOSE_ID", "\x1b[31mRocky") }, "no id of a compose"},
		"huge":             {"staging", func(w *world) { w.write(staged+"metadata/COMPOSE_ID", strings.Repeat("R", 1000)) }, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, at := range []string{"c/9/latest-Rocky-9/compose/", staged, "p/pub/9.7/"} {
				w.write(at+"metadata/COMPOSE_ID", id)
			}
			tc.change(w)
			s := w.step("compose.id", map[string]string{"in": tc.in})
			ev, err := s.Run(t.Context(), &w.env, w.plan(s), pipeline.NewProgress(nil))
			if tc.words == "" && (err != nil || ev[tc.in] == "") || tc.words != "" && (err == nil || !strings.Contains(err.Error(), tc.words)) {
				t.Errorf("got %v, %v, want %q", ev, err, tc.words)
			}
			if err == nil {
				w.inputs(s)
			} else if strings.Contains(err.Error(), "\x1b") {
				t.Error("the error holds an escape sequence")
			}
		})
	}
}

// 9.10 is not 9.1 with something behind it, whoever set which variable wrongly.
func TestH18VersionsAreComparedWhole(t *testing.T) {
	for id, want := range map[string]string{
		"Rocky-9.1-20221101.101500":      "",
		"Rocky-9.10-20261101.101500":     "a compose of 9.10, and the release is of 9.1",
		"Rocky-9.11-20261101.101500":     "a compose of 9.11",
		"Rocky-8.10-20240522.101500":     "a compose of 8.10",
		"Rocky-9-20221101.101500":        "no id of a compose",
		"Rocky-9.1-20221301.101500":      "holds no date",
		"Rocky-9.1-20221101":             "no id of a compose",
		"Rocky-9.1.1-20221101.101500":    "no id of a compose",
		"Rocky-9.1-20221101.101500/../x": "no id of a compose",
	} {
		w := newWorld(t)
		w.env.Version = "9.1"
		w.write("c/9/latest-Rocky-9/compose/metadata/COMPOSE_ID", id)
		s := w.step("compose.id", map[string]string{"in": "compose"})
		_, err := s.Run(t.Context(), &w.env, pipeline.Plan{}, pipeline.NewProgress(nil))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("Rocky-9.7-20251121.101500")
	f.Add("Rocky-devel-8.10-beta-20251121.n.12")
	f.Fuzz(func(t *testing.T, text string) {
		revision, err := compose.ParseID(text)
		if err == nil && (!strings.Contains(text, "-"+revision+"-") || strings.ContainsAny(text, "/\n\x1b") || len(text) > 200) {
			t.Errorf("%q is taken for one of %q", text, revision)
		}
	})
}

func (w *world) info(id, version string) {
	w.write("c/9/latest-Rocky-9/compose/metadata/composeinfo.json",
		`{"header": {"type": "productmd.composeinfo", "version": "1.2"}, "payload": {"compose": {"id": "`+id+`"}, "release": {"version": "`+version+`"}}}`)
}

// A console that died after it moved the link, there or back, left a run whose end
// is found by looking, whatever else changed in the meantime.
func TestLatestIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	w.compose("Rocky-9.7-20251120.101500")
	s := w.step("compose.latest", newest)
	w.run(s)
	w.compose("Rocky-9.7-20251121.101500")
	there, _ := w.run(s)
	look := func(s pipeline.Step, plan pipeline.Plan, done bool) {
		t.Helper()
		seen, err := s.(pipeline.Looker).Look(t.Context(), &w.env, plan)
		if err != nil || seen.Done != done {
			t.Errorf("looking finds %+v, %v", seen, err)
		}
	}
	w.write("c/9/Rocky-9.7-20251122.101500/STATUS", "STARTED") // the next one goes on
	look(s, there, true)
	if is := w.inputs(s); is != there.Inputs {
		t.Error("a compose that goes on makes what was done before it stale")
	}
	back := s.(pipeline.Reverser).Reverse()
	plan := w.plan(back)
	look(back, plan, false)
	if _, err := back.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	look(back, plan, true)
	look(s, there, false)
}

// Only what was moved from here goes back: a link that others moved since stays.
func TestLatestOfOthersStays(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"Rocky-9.7-20251119.101500", "Rocky-9.7-20251120.101500"} {
		w.compose(id)
		w.run(w.step("compose.latest", newest))
	}
	back := w.step("compose.latest", newest).(pipeline.Reverser).Reverse()
	w.must(os.Mkdir(w.path("c/9/by-hand"), 0o755))
	w.must(os.Remove(w.path("c/9/latest-Rocky-9")))
	w.symlink("by-hand", "c/9/latest-Rocky-9")
	w.refused(back, "nothing is known of what 9/latest-Rocky-9 named before by-hand")
}
