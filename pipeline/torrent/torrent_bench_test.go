package torrent

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkPieces hashes the pieces of the 2 GiB image below GANTRY_BENCH, and
// does the same with mktorrent in turn. It reports its share of mktorrent's wall
// and processor time, of the best runs of both.
func BenchmarkPieces(b *testing.B) { compareWith(b, false) }

// BenchmarkVerifiedPieces verifies the image by its SHA-256 too, in the same read,
// and compares with sha256sum and then mktorrent.
func BenchmarkVerifiedPieces(b *testing.B) { compareWith(b, true) }

// cost is what the best run took, in seconds.
type cost struct{ wall, cpu float64 }

// measure runs something; who is whose processor time counts.
func (c *cost) measure(who int, do func()) {
	var before, after unix.Rusage
	_ = unix.Getrusage(who, &before) // cannot fail for these
	begun := time.Now()
	do()
	c.wall = min(c.wall, time.Since(begun).Seconds())
	_ = unix.Getrusage(who, &after)
	spent := func(u unix.Rusage) int64 { return u.Utime.Nano() + u.Stime.Nano() }
	c.cpu = min(c.cpu, float64(spent(after)-spent(before))/1e9)
}

func compareWith(b *testing.B, whole bool) {
	iso := filepath.Join(os.Getenv("GANTRY_BENCH"), "iso-2g.bin")
	if os.Getenv("GANTRY_BENCH") == "" {
		b.Skip("GANTRY_BENCH names no folder")
	}
	if _, err := exec.LookPath("mktorrent"); err != nil {
		b.Skip(err)
	}
	file, err := os.Open(iso)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		b.Fatal(err)
	}
	s := &stream{parts: []part{{file, 0, info}}, total: info.Size()}
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	b.SetBytes(s.total)
	ours, theirs := cost{math.Inf(1), math.Inf(1)}, cost{math.Inf(1), math.Inf(1)}
	unit := "of-mktorrent"
	if whole {
		unit = "of-sha256sum-and-mktorrent"
	}
	for b.Loop() {
		to := filepath.Join(b.TempDir(), "t.torrent")
		theirs.measure(unix.RUSAGE_CHILDREN, func() {
			run("mktorrent", "-t", "2", "-l", "20", "-a", "udp://t.example:1/announce", "-o", to, iso)
			if whole {
				run("sha256sum", iso)
			}
		})
		if err := os.Remove(to); err != nil {
			b.Fatal(err)
		}
		ours.measure(unix.RUSAGE_SELF, func() {
			if _, _, err := s.hash(b.Context(), 1<<20, whole, func(int64) {}); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(ours.wall, "s")
	b.ReportMetric(ours.wall/theirs.wall, unit)
	b.ReportMetric(ours.cpu/theirs.cpu, "cpu-"+unit)
}
