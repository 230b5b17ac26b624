package rpm_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"gantry/checklist"
	"gantry/pipeline/rpm"
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
		m, _, err := s.served.Manifest(t.Context(), id)
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
// and verifies them there, then again after each of five times that one more
// came. It reports the time and the most memory of the first and the last.
func BenchmarkRelease10k(b *testing.B) {
	from := os.Getenv("GANTRY_BENCH")
	if from == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	verbs := " build stage promote verify"
	for b.Loop() {
		s := newShop(b, ", policy: replace")
		s.stageAll(filepath.Join(from, "rpms-10k"))
		for _, round := range []string{"first", "second", "third", "fourth", "fifth", "sixth"} {
			m := measured(b, myself(b, "TestBuildChild", "GANTRY_BUILD_CHILD="+s.dir+verbs))
			if round == "first" || round == "sixth" {
				b.ReportMetric(m.wall.Seconds(), round+"-s")
				b.ReportMetric(m.rss, round+"-peak-MiB")
			}
			s.stageFile(round+".rpm", pack(b, rpmpack.RPMMetaData{Name: round, Version: "1", Release: "1"}))
		}
	}
}

// stageAll stages the packages of the kit, by hard links. For each of those of
// another architecture there is one of the right one under another name.
func (s *shop) stageAll(from string) {
	s.t.Helper()
	var right [][2]string // their paths and names
	wrong := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case strings.HasSuffix(path, ".i686.rpm"):
			wrong++
		default:
			right = append(right, [2]string{path, d.Name()})
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, p := range right {
		b, err := os.ReadFile(p[0])
		if err != nil {
			s.t.Fatal(err)
		}
		name := "staging/core/2025/rpm/el9-x86_64/" + p[1]
		s.put(name+".sha256", []byte(sumOf(b)))
		if err := os.Link(p[0], filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
		if i < wrong {
			s.stageFile("another-"+p[1], another(s.t, b))
		}
	}
}

// another is a package like the given one with another first letter of its name.
func another(t testing.TB, b []byte) []byte {
	t.Helper()
	h, err := rpm.ReadHeader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	n, err := h.NEVRA()
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(b)
	head := b[h.Start:h.End]
	at := bytes.Index(head, []byte(n.Name+"\x00"+n.Version+"\x00"+n.Release+"\x00"))
	if at < 0 {
		t.Fatalf("%s: no name in its header", n)
	}
	old := [][]byte{sum256(head), sum1(head), sum5(b[h.Start:])}
	head[at] = 'Z'
	for i, sum := range [][]byte{sum256(head), sum1(head), sum5(b[h.Start:])} {
		copy(b, bytes.Replace(b[:h.Start], old[i], sum, 1))
	}
	return b
}

func sum256(b []byte) []byte { return []byte(sumOf(b)) }
func sum1(b []byte) []byte   { return fmt.Appendf(nil, "%x", sha1.Sum(b)) }
func sum5(b []byte) []byte   { s := md5.Sum(b); return s[:] }
