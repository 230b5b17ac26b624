package rpm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gantry/pipeline/rpm"
)

// Clients that read through the mirrorlist while production flips again and
// again never fail, and never see a mixture. GANTRY_FLIPS is how many flips, 4
// where it is not set.
func TestClientsWhileProductionFlips(t *testing.T) {
	client(t, "dnf")
	flips := 4
	if n, err := strconv.Atoi(os.Getenv("GANTRY_FLIPS")); err == nil {
		flips = n
	}
	s := newShop(t, ", policy: replace")
	server := httptest.NewServer(http.FileServer(http.Dir(s.served.Path())))
	defer server.Close()
	s.configure(fmt.Sprintf(", policy: replace, url: %q", server.URL))
	s.clock = time.Now().Add(-100 * time.Hour)
	s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
	s.release()
	s.unstage("agent-1.0.x86_64.rpm")
	s.stage("agent-2.0.x86_64", "docs-1.0.noarch")
	s.release()
	files, err := rpm.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(keyAt(files[0].Text, "file://"+filepath.Join(s.dir, "keys/public.asc")))

	var stop atomic.Bool
	var runs atomic.Int64
	var all sync.WaitGroup
	for n := range 2 {
		home := t.TempDir()
		if err := os.Mkdir(home+"/repos", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(home+"/repos/core.repo", text, 0o600); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for i := 0; !stop.Load() || i < 2; i++ {
				into := fmt.Sprintf("%s/got%d", home, i)
				out, err := exec.Command("dnf", "-q", "-y", "--refresh", "--installroot", home+"/root", "--releasever=9", "--forcearch=x86_64",
					"--setopt=cachedir="+home+"/cache", "--setopt=reposdir="+home+"/repos", "--setopt=varsdir=/dev/null", "--setopt=pluginpath=/dev/null",
					"install", "--downloadonly", "--downloaddir", into, "agent", "lib").CombinedOutput()
				got, _ := filepath.Glob(into + "/*.rpm")
				if err != nil || len(got) != 2 {
					t.Errorf("client %d: %v, %v\n%s", n, got, err, out)
				}
				runs.Add(1)
			}
		})
	}
	for i := range flips {
		verb := "rollback"
		if i%2 == 1 {
			verb = "promote"
		}
		if _, _, err := s.try(verb); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
		time.Sleep(100 * time.Millisecond) // else clients would start in few of the states
	}
	stop.Store(true)
	all.Wait()
	t.Logf("%d runs of dnf during %d flips", runs.Load(), flips)
}

var gpgkey = regexp.MustCompile(`gpgkey=.*`)

// keyAt is a .repo file whose key is elsewhere.
func keyAt(text, key string) string { return gpgkey.ReplaceAllString(text, "gpgkey="+key) }
