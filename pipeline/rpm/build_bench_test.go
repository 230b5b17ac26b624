package rpm_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"gantry/checklist"
)

// TestBuildChild is run by the benchmark as a process of its own, so that its
// memory is that of a release alone. GANTRY_BUILD_CHILD names the folder of a
// shop, and the verbs to run there, with spaces between.
func TestBuildChild(t *testing.T) {
	words := strings.Fields(os.Getenv("GANTRY_BUILD_CHILD"))
	if len(words) == 0 {
		t.Skip("only run by benchmarks")
	}
	s := &shop{t: t, dir: words[0], clock: time.Now()}
	s.configure(", policy: replace")
	if id := s.at("production"); id != "" {
		m, _, err := s.served.Manifest(id)
		if err != nil {
			t.Fatal(err)
		}
		s.journal = checklist.Pointers{Revision: m.Revision, Published: []checklist.Published{{Snapshot: id, From: s.clock}}}
	}
	for _, verb := range words[1:] {
		// As the engine does: a plan to confirm, and another to compare it with.
		var err error
		for range 2 {
			if _, err = s.step(verb).Plan(t.Context(), s.env); err != nil {
				t.Fatal(err)
			}
		}
		s.do(verb)
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM") {
				t.Log(verb, strings.TrimSpace(line))
			}
		}
	}
}

// BenchmarkRelease10k takes 10,000 packages from the staging area to production
// and verifies them there, then once more after one of them changed. It reports
// the most memory that either took.
func BenchmarkRelease10k(b *testing.B) {
	from := os.Getenv("GANTRY_BENCH")
	if from == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	verbs := " build stage promote verify"
	for b.Loop() {
		s := newShop(b, ", policy: replace")
		s.stageAll(filepath.Join(from, "rpms-10k"))
		for _, round := range []string{"first", "again"} {
			m := measured(b, myself(b, "TestBuildChild", "GANTRY_BUILD_CHILD="+s.dir+verbs))
			b.ReportMetric(m.wall.Seconds(), round+"-s")
			b.ReportMetric(m.rss, round+"-peak-MiB")
			if round == "first" {
				s.stageFile("added.rpm", pack(b, rpmpack.RPMMetaData{Name: "added", Version: "1", Release: "1"}))
			}
		}
	}
}

// stageAll stages every package below a folder, by hard links.
func (s *shop) stageAll(from string) {
	s.t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := "staging/core/2025/rpm/el9-x86_64/" + d.Name()
		s.put(name+".sha256", []byte(sumOf(b)))
		return os.Link(path, filepath.Join(s.dir, name))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
