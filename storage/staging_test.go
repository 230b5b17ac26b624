package storage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/storage"
)

var place = storage.Place{Component: "core", Series: "2025", Format: "rpm", OS: "el9-x86_64"}

func sum(s string) string {
	b := sha256.Sum256([]byte(s))
	return hex.EncodeToString(b[:])
}

func TestParseSidecar(t *testing.T) {
	d, other := sum("x"), sum("y")
	for name, c := range map[string]struct{ text, digest string }{
		"bare":              {d + "\n", d},
		"bare, no end":      {d, d},
		"bare upper case":   {strings.ToUpper(d) + "\n", d},
		"bare CRLF":         {d + "\r\n", d},
		"sha256sum":         {d + "  a.rpm\n", d},
		"sha256sum binary":  {d + " *a.rpm\n", d},
		"sha256sum CRLF":    {d + "  a.rpm\r\n", d},
		"BSD":               {"SHA256 (a.rpm) = " + d + "\n", d},
		"twice the same":    {d + "  a.rpm\nSHA256 (a.rpm) = " + d + "\n", d},
		"empty lines":       {"\n" + d + "\n\n", d},
		"empty":             {"", ""},
		"spaces":            {" \r\n\n", ""},
		"half":              {d[:32], ""},
		"one more":          {d + "0", ""},
		"not hex":           {strings.Repeat("g", 64), ""},
		"another file":      {d + "  b.rpm\n", ""},
		"path":              {d + "  ./a.rpm\n", ""},
		"absolute":          {d + "  /etc/passwd\n", ""},
		"two differ":        {d + "\n" + other + "\n", ""},
		"two files":         {d + "  a.rpm\n" + d + "  b.rpm\n", ""},
		"one space":         {d + " a.rpm\n", ""},
		"BSD another":       {"SHA256 (b.rpm) = " + d + "\n", ""},
		"BSD of MD5":        {"MD5 (a.rpm) = d41d8cd98f00b204e9800998ecf8427e\n", ""},
		"BSD no end":        {"SHA256 (a.rpm", ""},
		"SHA-1":             {"da39a3ee5e6b4b0d3255bfef95601890afd80709\n", ""},
		"SHA-512":           {strings.Repeat("ab", 64) + "\n", ""},
		"too long":          {strings.Repeat(d+"\n", 64), ""},
		"a page of HTML":    {"<html>", ""},
		"sha256sum escaped": {`\` + d + "  a.rpm\n", ""},
	} {
		got, err := storage.ParseSidecar([]byte(c.text), "a.rpm")
		if got != c.digest || (err == nil) != (c.digest != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzParseSidecar(f *testing.F) {
	d := sum("x")
	for _, s := range []string{d, d + "  a\n", "SHA256 (a) = " + d, d + " *a\r\n", "\x00", d + "  b", "SHA256 (a) = (a) = " + d} {
		f.Add([]byte(s), "a")
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		digest, err := storage.ParseSidecar(b, name)
		if err != nil {
			if digest != "" {
				t.Errorf("%q: %q with an error", b, digest)
			}
			return
		}
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 || strings.ToLower(digest) != digest {
			t.Errorf("%q states %q", b, digest)
		}
		if !strings.Contains(strings.ToLower(string(b)), digest) {
			t.Errorf("%q does not hold %q", b, digest)
		}
	})
}

// area is a staging area, its store's directory and the place's directory.
func area(t testing.TB) (*storage.Staging, string) {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, filepath.FromSlash(place.Prefix()))
	ok(t, os.MkdirAll(at, 0o755))
	return storage.NewStaging(openDir(t, dir)), at
}

func stage(t testing.TB, at, name, text, sidecar string) {
	t.Helper()
	ok(t, os.WriteFile(filepath.Join(at, name), []byte(text), 0o644))
	if sidecar != "" {
		ok(t, os.WriteFile(filepath.Join(at, name+".sha256"), []byte(sidecar), 0o644))
	}
}

func TestListTellsEveryOddity(t *testing.T) {
	s, at := area(t)
	stage(t, at, "good.rpm", "good", sum("good")+"\n")
	stage(t, at, "wrong.rpm", "wrong", sum("other")+"  wrong.rpm\n")
	stage(t, at, "alone.rpm", "alone", "")
	stage(t, at, "half.rpm", "half", sum("half")[:20])
	stage(t, at, "moved.rpm", "moved", sum("moved")+"  elsewhere.rpm\n")
	stage(t, at, "huge.rpm", "huge", strings.Repeat(sum("huge")+"\n", 100))
	ok(t, os.WriteFile(at+"/orphan.rpm.sha256", []byte(sum("x")), 0o644))
	stage(t, at, "new\nline.rpm", "x", sum("x"))
	stage(t, at, "esc\x1b[31m.rpm", "x", sum("x"))
	stage(t, at, "-rf", "x", "")
	stage(t, at, ".tmp-theirs", "x", "")
	stage(t, at, strings.Repeat("n", 240), "x", sum("x"))
	ok(t, os.MkdirAll(at+"/sub/..b", 0o755))
	stage(t, at, "sub/inner.rpm", "x", "")
	ok(t, os.Symlink("/etc/passwd", at+"/link.rpm"))
	ok(t, os.WriteFile(at+"/link.rpm.sha256", []byte(sum("x")), 0o644))
	ok(t, os.Symlink("good.rpm.sha256", at+"/linked.rpm.sha256"))
	ok(t, os.WriteFile(at+"/linked.rpm", []byte("good"), 0o644))
	ok(t, syscall.Mkfifo(at+"/pipe.rpm", 0o644))

	as := must(s.List(t.Context(), place))(t)
	listed := map[string]storage.Verdict{}
	for _, a := range as {
		listed[a.File] = a.Verdict
		if a.Verdict != storage.Unverified && a.Detail == "" {
			t.Errorf("%q: %s without a reason", a.File, a.Verdict)
		}
		if config.Inert(a.Detail) != a.Detail {
			t.Errorf("%q: the reason is not inert: %q", a.File, a.Detail)
		}
	}
	want := map[string]storage.Verdict{
		"good.rpm": storage.Unverified, "wrong.rpm": storage.Unverified,
		"alone.rpm": storage.MissingSidecar, "half.rpm": storage.MalformedSidecar, "moved.rpm": storage.MalformedSidecar,
		"huge.rpm": storage.MalformedSidecar, "orphan.rpm.sha256": storage.OrphanSidecar,
		"new\nline.rpm": storage.BadName, "esc\x1b[31m.rpm": storage.BadName, "-rf": storage.BadName, ".tmp-theirs": storage.BadName,
		strings.Repeat("n", 240): storage.Unverified, "sub/inner.rpm": storage.BadName,
		"link.rpm": storage.Symlink, "linked.rpm": storage.MalformedSidecar, "pipe.rpm": storage.Symlink,
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Fatal(diff)
	}

	after := must(s.VerifyAll(t.Context(), as, nil, nil))(t)
	for i, a := range after {
		expect := want[a.File]
		switch {
		case a.File == "wrong.rpm":
			expect = storage.Mismatch
		case expect == storage.Unverified:
			expect = storage.Verified
		}
		if a.Verdict != expect {
			t.Errorf("%q: %s, want %s", a.File, a.Verdict, expect)
		}
		if as[i].Verdict == storage.Verified {
			t.Errorf("%q: the listing given was written to", a.File)
		}
	}
	if storage.Fingerprint(as) != storage.Fingerprint(after) {
		t.Error("verifying changed the fingerprint")
	}
	for _, a := range as {
		switch a.Verdict {
		case storage.BadName, storage.Symlink:
			if r, err := s.Open(t.Context(), a); err == nil {
				r.Close()
				t.Errorf("%q was opened", a.File)
			}
		}
	}
}

func TestListOfNothing(t *testing.T) {
	s, _ := area(t)
	if as := must(s.List(t.Context(), storage.Place{Component: "none", Series: "1", Format: "rpm", OS: "el9-x86_64"}))(t); len(as) != 0 {
		t.Errorf("there are %v", as)
	}
	for _, p := range []storage.Place{{}, {Component: "core", Series: "..", Format: "rpm", OS: "x"}, {Component: "a/b", Series: "1", Format: "rpm", OS: "x"}} {
		if _, err := s.List(t.Context(), p); err == nil {
			t.Errorf("%+v was listed", p)
		}
	}
}

func TestPlaceThroughALink(t *testing.T) {
	dir, secret := t.TempDir(), t.TempDir()
	ok(t, os.MkdirAll(secret+"/2025/rpm/el9-x86_64", 0o755))
	ok(t, os.Symlink(secret, dir+"/core"))
	s := storage.NewStaging(openDir(t, dir))
	if as, err := s.List(t.Context(), place); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("it lists %v, %v", as, err)
	}
}

func TestFingerprint(t *testing.T) {
	s, at := area(t)
	stage(t, at, "a.rpm", "a", sum("a"))
	list := func() string { return storage.Fingerprint(must(s.List(t.Context(), place))(t)) }
	seen := map[string]string{list(): "at first"}
	for name, change := range map[string]func(){
		"another file":      func() { stage(t, at, "b.rpm", "b", sum("b")) },
		"other bytes":       func() { stage(t, at, "a.rpm", "A", sum("a")) },
		"another digest":    func() { stage(t, at, "a.rpm", "A", sum("A")) },
		"a sidecar is gone": func() { ok(t, os.Remove(at+"/a.rpm.sha256")) },
	} {
		time.Sleep(15 * time.Millisecond) // mtimes of some file systems are that coarse
		change()
		f := list()
		if before, same := seen[f]; same {
			t.Errorf("%s: the fingerprint is that of %s", name, before)
		}
		seen[f] = name
		if f != list() {
			t.Errorf("%s: two listings differ", name)
		}
	}
}

func TestStagePutAndRemove(t *testing.T) {
	s, at := area(t)
	ctx := t.Context()
	a := must(s.Put(ctx, place, "a.rpm", strings.NewReader("one"), false))(t)
	if got := string(must(os.ReadFile(at + "/a.rpm.sha256"))(t)); got != sum("one")+"\n" {
		t.Errorf("the sidecar holds %q", got)
	}
	if diff := cmp.Diff([]storage.Artifact{a}, must(s.List(ctx, place))(t)); diff != "" {
		t.Error(diff)
	}
	again := must(s.Put(ctx, place, "a.rpm", strings.NewReader("one"), false))(t)
	if again.Version != a.Version {
		t.Error("the same bytes were written again")
	}
	if _, err := s.Put(ctx, place, "a.rpm", strings.NewReader("two"), false); !errors.Is(err, storage.ErrExists) || config.HintOf(err) == "" {
		t.Errorf("other bytes: %v", err)
	}
	if v := must(s.Verify(ctx, a, nil))(t); v.Verdict != storage.Verified {
		t.Errorf("then it is %s %s", v.Verdict, v.Detail)
	}
	two := must(s.Put(ctx, place, "a.rpm", strings.NewReader("two"), true))(t)
	if v := must(s.Verify(ctx, two, nil))(t); v.Verdict != storage.Verified {
		t.Errorf("the replacement is %s %s", v.Verdict, v.Detail)
	}
	if err := s.Remove(ctx, a); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("removing the old one: %v", err)
	}
	if _, err := s.Open(ctx, a); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("opening the old one: %v", err)
	}
	ok(t, s.Remove(ctx, two))
	if as := must(s.List(ctx, place))(t); len(as) != 0 {
		t.Errorf("left: %v", as)
	}
	for _, name := range []string{"", "../a", "a/b", "-a", "a.sha256", ".tmp-x", strings.Repeat("n", 250)} {
		if _, err := s.Put(ctx, place, name, strings.NewReader(""), false); err == nil {
			t.Errorf("%q was staged", name)
		}
	}
}

func TestStageCutShort(t *testing.T) {
	s, at := area(t)
	if _, err := s.Put(t.Context(), place, "a.rpm", &failing{3}, false); err == nil {
		t.Error("half a file was staged")
	}
	if names := must(os.ReadDir(at))(t); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

func TestReplacedDuringVerify(t *testing.T) {
	s, at := area(t)
	const size = 8 << 20
	good, evil := strings.Repeat("g", size), strings.Repeat("e", size)
	stage(t, at, "a.rpm", good, sum(good))
	for name, harm := range map[string]func(){
		"written to": func() {
			f := must(os.OpenFile(at+"/a.rpm", os.O_WRONLY, 0))(t)
			defer f.Close()
			must(f.WriteAt([]byte("e"), size-1))(t)
		},
		"replaced before": func() {
			ok(t, os.WriteFile(at+"/x", []byte(evil), 0o644))
			ok(t, os.Rename(at+"/x", at+"/a.rpm"))
		},
	} {
		stage(t, at, "a.rpm", good, sum(good))
		a := must(s.List(t.Context(), place))(t)[0]
		var once sync.Once
		count := func(int64) { once.Do(harm) }
		if name == "replaced before" {
			once.Do(harm)
		}
		v, err := s.Verify(t.Context(), a, count)
		if !errors.Is(err, storage.ErrConflict) || v.Verdict == storage.Verified {
			t.Errorf("%s: %s, %v", name, v.Verdict, err)
		}
	}
}

func TestVerifyCountsAndStops(t *testing.T) {
	s, at := area(t)
	var total int64
	for i := range 50 {
		text := strings.Repeat("x", i*1000)
		stage(t, at, fmt.Sprintf("f%02d.rpm", i), text, sum(text))
		total += int64(len(text))
	}
	as := must(s.List(t.Context(), place))(t)
	var bytes atomic.Int64
	var names sync.Map
	for _, a := range must(s.VerifyAll(t.Context(), as, func(n int64) { bytes.Add(n) }, func(n string) { names.Store(n, true) }))(t) {
		if a.Verdict != storage.Verified {
			t.Errorf("%s: %s", a.File, a.Verdict)
		}
	}
	if bytes.Load() != total {
		t.Errorf("counted %d of %d bytes", bytes.Load(), total)
	}
	if _, ok := names.Load(as[7].Key()); !ok {
		t.Errorf("%s was not named", as[7].Key())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.VerifyAll(ctx, as, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOpenReadsTheArtifact(t *testing.T) {
	s, at := area(t)
	stage(t, at, "a.rpm", "bytes", sum("bytes"))
	r := must(s.Open(t.Context(), must(s.List(t.Context(), place))(t)[0]))(t)
	defer r.Close()
	if got := string(must(io.ReadAll(r))(t)); got != "bytes" {
		t.Errorf("it holds %q", got)
	}
}

// A server that goes away while sidecars are read says nothing about them.
func TestStagingOnAServerThatGoesAway(t *testing.T) {
	m := newRAM()
	place := storage.Place{Component: "core", Series: "1", Format: "rpm", OS: "el9"}
	for i := range 100 {
		must(storage.NewStaging(&client{ram: m}).Put(t.Context(), place, fmt.Sprintf("f%d", i), strings.NewReader("x"), false))(t)
	}
	var asked atomic.Int64
	gone := &client{ram: m, fault: func(op, key string) error {
		if op == "open" {
			asked.Add(1)
			return errServer
		}
		return nil
	}}
	if as, err := storage.NewStaging(gone).List(t.Context(), place); !errors.Is(err, errServer) {
		t.Errorf("%d artifacts are listed, %v", len(as), err)
	}
	if asked.Load() > 50 {
		t.Errorf("%d sidecars were asked for", asked.Load())
	}
	lost := &client{ram: m, fault: func(op, key string) error {
		if op == "open" && strings.HasSuffix(key, "f7.sha256") {
			return storage.ErrNotFound
		}
		return nil
	}}
	for _, a := range must(storage.NewStaging(lost).List(t.Context(), place))(t) {
		if want := map[bool]storage.Verdict{true: storage.MissingSidecar, false: storage.Unverified}[a.File == "f7"]; a.Verdict != want {
			t.Errorf("%s is %s", a.File, a.Verdict)
		}
	}
}
