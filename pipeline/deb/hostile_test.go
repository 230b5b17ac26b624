package deb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline/deb"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// TestOvertaken flips with a console that was stopped on the way and lost its
// lock: what clients without by-hash read fits what the other one published.
func TestOvertaken(t *testing.T) {
	for _, point := range []string{"storetree.flip.checked", "storetree.flip.copy", "storetree.flip.copied", "storetree.flip.put"} {
		t.Run(point, func(t *testing.T) {
			s := newShopOfObjects(t, ", policy: replace")
			var ids []string
			for _, version := range []string{"1.0", "2.0"} {
				s.stage("agent_" + version + "_amd64")
				_, ev := s.do("build")
				s.unstage("noble-amd64", "agent_"+version+"_amd64.deb")
				ids = append(ids, ev["snapshot"])
				s.pass(time.Minute)
			}
			other, err := storage.OpenStoreTree(s.env.Root, s.target.Path+"/"+deb.Tree(s.target), deb.Face(s.target))
			if err != nil {
				t.Fatal(err)
			}
			var overtaken atomic.Bool // files are copied by several at once
			storage.OnReach(func(at string) {
				if at != point || !overtaken.CompareAndSwap(false, true) {
					return
				}
				was, err := other.Pointer(t.Context(), "production")
				if err == nil {
					err = other.Flip(t.Context(), "production", was, ids[1])
				}
				if err != nil {
					t.Error(err)
				}
			})
			defer storage.OnReach(nil)
			err = s.served.Flip(t.Context(), "production", "", ids[0])
			if point != "storetree.flip.put" && !errors.Is(err, storage.ErrConflict) || !overtaken.Load() {
				t.Errorf("the one that was overtaken: %v", err)
			}
			if at := s.at("production"); at != ids[1] {
				t.Fatalf("production is %s, want %s", at, ids[1])
			}
			release := s.read("dists/noble/InRelease")
			for _, name := range []string{"Packages", "Packages.gz", "Packages.xz"} {
				index := s.read("dists/noble/core/binary-amd64/" + name)
				if line := fmt.Sprintf(" %x %d core/binary-amd64/%s\n", sha256.Sum256([]byte(index)), len(index), name); !strings.Contains(release, line) {
					t.Errorf("%s is not the one that InRelease names", name)
				}
			}
			if !strings.Contains(release, s.read("dists/noble/Release")) {
				t.Error("Release does not say what InRelease says")
			}
		})
	}
}

// TestIndexBomb verifies a suite on a server that gives, for an index, one that
// asks for 4 GiB of memory: nothing is unpacked that has not its digest.
func TestIndexBomb(t *testing.T) {
	s := newShop(t, "")
	s.stage("agent_1.0_amd64")
	s.release()
	packed := []byte(s.read("dists/noble/core/binary-amd64/Packages.xz"))
	path := filepath.Join(s.archive(), fmt.Sprintf("dists/noble/core/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(packed)))
	length := (int(packed[12]) + 1) * 4
	block := packed[12 : 12+length]
	block[bytes.Index(block, []byte{0x21, 1})+2] = 40 // 4 GiB - 1
	binary.LittleEndian.PutUint32(block[length-4:], crc32.ChecksumIEEE(block[:length-4]))
	if err := errors.Join(os.Remove(path), os.WriteFile(path, packed, 0o444)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.refused("its SHA-256 is", "verify", "packages=sample:1")
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<20 {
		t.Errorf("it takes %d bytes to refuse an index of %d", allocated, len(packed))
	}
}

// TestFlipsWithinASecond flips at once, twice: clients that ask only for what was
// modified since see each.
func TestFlipsWithinASecond(t *testing.T) {
	s := newShopOnS3(t, ", policy: replace")
	var ids []string
	for _, version := range []string{"1.0", "2.0", "3.0"} {
		s.stage("agent_" + version + "_amd64")
		_, ev := s.do("build")
		s.unstage("noble-amd64", "agent_"+version+"_amd64.deb")
		ids = append(ids, ev["snapshot"])
		s.pass(time.Minute)
	}
	server := httptest.NewServer(s.files())
	t.Cleanup(server.Close)
	was, since := "", ""
	for _, id := range ids {
		if err := s.served.Flip(t.Context(), "production", was, id); err != nil {
			t.Fatal(err)
		}
		was = id
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/dists/noble/InRelease", nil)
		if err != nil {
			t.Fatal(err)
		}
		if since != "" {
			r.Header.Set("If-Modified-Since", since)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("after the flip to %s a client is told %s", id, answer.Status)
		}
		since = answer.Header.Get("Last-Modified")
	}
}

// TestOtherBytesThatNobodyServes refuses them while the build can still be
// planned anew: the pool keeps those of every snapshot.
func TestOtherBytesThatNobodyServes(t *testing.T) {
	other := debOf(t, ".gz", "Package: agent\nVersion: 1.0\nArchitecture: amd64\nMaintainer: x\nDescription: other\n")
	s := newShop(t, "")
	s.stage("agent_1.0_amd64", "lib_1.0_amd64")
	s.do("build")
	s.unstage("noble-amd64", "agent_1.0_amd64.deb")
	s.stageFile("noble-amd64", "agent_1.0_amd64.deb", other)
	if _, _, err := s.plan("build"); err == nil || !strings.Contains(err.Error(), "with other bytes") {
		t.Errorf("planned: %v", err)
	}
}

// TestPoolOfAnInterruptedBuild gives way to what is staged instead: no snapshot
// names it, and nobody was told of it.
func TestPoolOfAnInterruptedBuild(t *testing.T) {
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "objects": newShopOfObjects} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "")
			s.stage("agent_1.0_amd64")
			// As a build leaves it that was killed after the pool had its package.
			pool := storage.NewPool(s.env.Root, s.target.Path)
			left := pkg(t, "agent", "1.0", "amd64")
			path := "pool/noble/core/a/agent/agent_1.0_amd64.deb"
			put(t, pool, path, left)
			s.unstage("noble-amd64", "agent_1.0_amd64.deb")
			other := debOf(t, ".gz", "Package: agent\nVersion: 1.0\nArchitecture: amd64\nMaintainer: x\nDescription: other\n")
			s.stageFile("noble-amd64", "agent_1.0_amd64.deb", other)
			s.release()
			s.do("verify")
			if s.read(path) != string(other) {
				t.Error("the pool has the bytes of the build that was interrupted")
			}
		})
	}
}

func put(t *testing.T, pool *storage.Pool, path string, content []byte) {
	t.Helper()
	_, err := pool.Put(t.Context(), path, int64(len(content)), fmt.Sprintf("%x", sha256.Sum256(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPruneTellsWhatItFrees counts a package that other snapshots name once, or
// not at all.
func TestPruneTellsWhatItFrees(t *testing.T) {
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "objects": newShopOfObjects} {
		t.Run(name, func(t *testing.T) {
			s := open(t, ", policy: replace, snapshots: 2")
			big := pkg(t, "big", "1.0", "amd64")
			big = append(big, arOf(member{name: "_fill", data: bytes.Repeat([]byte("x"), 1<<20)})[8:]...)
			s.stageFile("noble-amd64", "big_1.0_amd64.deb", big)
			for _, version := range []string{"1.0", "2.0", "3.0", "4.0"} {
				s.stage("agent_" + version + "_amd64")
				s.release()
				s.unstage("noble-amd64", "agent_"+version+"_amd64.deb")
			}
			s.pass(4 * 24 * time.Hour)
			plan, _ := s.do("prune")
			if len(plan.Removed) != 2 || plan.Bytes >= 1<<20 || plan.Bytes == 0 {
				t.Errorf("%d snapshots free %d bytes", len(plan.Removed), plan.Bytes)
			}
			s.do("verify")
		})
	}
}

// TestForeignSuite finds a suite that another program publishes where ours is to
// go: nothing of it is touched.
func TestForeignSuite(t *testing.T) {
	foreign := "Origin: aptly\nSuite: noble\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n"
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "objects": newShopOfObjects} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "")
			files := map[string]string{"dists/noble/InRelease": foreign, "dists/noble/Release": foreign, "dists/noble/core/binary-amd64/Packages": "Package: agent\n", "pool/main/a/agent/agent_1.0_amd64.deb": "theirs"}
			for path, text := range files {
				s.put(filepath.Join("served", s.target.Path, path), []byte(text))
			}
			s.stage("agent_1.0_amd64")
			var err error
			for _, verb := range []string{"build", "stage", "promote"} {
				if _, _, err = s.try(verb); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), "dists/noble") || !strings.Contains(config.HintOf(err), "move it away") {
				t.Errorf("it says %v (%s)", err, config.HintOf(err))
			}
			for path, text := range files {
				if s.read(path) != text {
					t.Errorf("%s was touched", path)
				}
			}
		})
	}
}

// TestKeyIsReplaced publishes under a new key what was signed with an old one.
func TestKeyIsReplaced(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent_1.0_amd64")
	one := s.release()
	s.unstage("noble-amd64", "agent_1.0_amd64.deb")
	s.stage("agent_2.0_amd64")
	s.release()
	private, public, err := sign.Generate("Gantry Demo", "demo@example.com", 2048, 0, time.Now().Add(-240*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/private.asc", private)
	s.refused("the private key is", "build")
	s.put("keys/public.asc", public)
	s.refused("signature", "verify")
	refresh, _ := s.do("refresh")
	if !strings.Contains(strings.Join(refresh.Warnings, "; "), "given another key") {
		t.Errorf("the plan does not tell of the key: %q", refresh.Warnings)
	}
	s.do("verify")
	back, _ := s.do("rollback")
	if back.Facts["twin_of"] != one.Move.To {
		t.Errorf("rolled back to a twin of %q", back.Facts["twin_of"])
	}
	s.do("verify")
}

// TestSuitesArePrunedApart prunes one of two suites that share an archive.
func TestSuitesArePrunedApart(t *testing.T) {
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "s3": newShopOnS3} {
		t.Run(name, func(t *testing.T) {
			const more = ", policy: replace, snapshots: 2"
			noble := open(t, more)
			bookworm := setShop(t, &shop{t: t, suite: "bookworm", dir: noble.dir, server: noble.server, objects: noble.objects, ahead: noble.ahead}, more)
			for _, version := range []string{"1.0", "2.0", "3.0"} {
				for _, s := range []*shop{noble, bookworm} {
					s.stage("agent_" + version + "_amd64")
					s.release()
					s.unstage(s.suite+"-amd64", "agent_"+version+"_amd64.deb")
				}
			}
			before := tree(t, bookworm.archive())
			noble.pass(4 * 24 * time.Hour)
			noble.do("prune")
			gone := 0
			after := tree(t, bookworm.archive())
			for line := range strings.Lines(before) {
				if strings.Contains(after, line) {
					continue
				}
				gone++
				if !strings.Contains(line, "/noble/") {
					t.Errorf("changed: %s", line)
				}
			}
			if gone == 0 {
				t.Error("nothing was pruned")
			}
			noble.do("verify")
			bookworm.do("verify")
			for _, version := range []string{"1.0", "2.0", "3.0"} {
				if _, err := os.Stat(filepath.Join(bookworm.archive(), "pool/bookworm/core/a/agent/agent_"+version+"_amd64.deb")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
