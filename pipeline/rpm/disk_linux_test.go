package rpm_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"golang.org/x/sys/unix"

	"gantry/config"
)

// A served tree that cannot be written, and one that is full, are told in words;
// production stays, and the build is made once there is room.
func TestServedTreeThatTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, mend string // options of the mount
		want, hint  string
	}{
		"read-only": {"ro", "rw", "read-only file system", "remount"},
		"full":      {"size=256k", "size=64m", "no space left", "free some space"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, ", policy: replace")
			at := filepath.Join(s.dir, "served")
			mount := func(flags uintptr, options string) error {
				if options == "ro" {
					flags, options = flags|unix.MS_RDONLY, ""
				}
				return unix.Mount("tmpfs", at, "tmpfs", flags, strings.TrimPrefix(options, "rw"))
			}
			if err := mount(0, "size=64m"); err != nil {
				t.Skip("cannot mount here: ", err)
			}
			defer func() {
				if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			}()
			if err := os.MkdirAll(filepath.Join(at, s.target.Path), 0o755); err != nil {
				t.Fatal(err)
			}
			s.configure(", policy: replace")
			s.stage("agent-1.0.x86_64")
			s.release()
			before := s.at("production")
			_, waits, err := s.plan("refresh")
			if err != nil {
				t.Fatal(err)
			}
			s.clock = s.clock.Add(25 * time.Hour) // too long for it

			noise := make([]byte, 1<<20)
			rand.Read(noise)
			s.stageFile("big.rpm", packWith(t, "big", noise))
			if err := mount(unix.MS_REMOUNT, c.spoil); err != nil {
				t.Fatal(err)
			}
			_, _, err = s.try("build")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(config.HintOf(err), c.hint) {
				t.Errorf("it says %v (%s)", err, config.HintOf(err))
			}
			// A twin takes room as well; to remove what waited too long takes none.
			filler := filepath.Join(at, "filler")
			if name == "full" {
				if err := os.WriteFile(filler, noise, 0o644); err == nil {
					t.Error("there is room left")
				}
			}
			_, _, err = s.try("refresh")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(config.HintOf(err), c.hint) {
				t.Errorf("refresh says %v (%s)", err, config.HintOf(err))
			}
			plan, _, err := s.try("prune")
			if name == "full" {
				if err != nil || len(plan.Removed) != 1 || plan.Removed[0].Name != waits.Move.To {
					t.Errorf("prune: %+v, %v", plan.Removed, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("prune says %v", err)
			}
			if s.at("production") != before {
				t.Error("production moved")
			}
			os.Remove(filler)
			if err := mount(unix.MS_REMOUNT, c.mend); err != nil {
				t.Fatal(err)
			}
			s.release()
			s.do("verify")
		})
	}
}

func packWith(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	p, err := rpmpack.NewRPM(rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch"})
	if err != nil {
		t.Fatal(err)
	}
	p.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + name, Body: content, Mode: 0o644})
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}
