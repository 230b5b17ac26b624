package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// fake is an S3 server in this process. meddle sees each request first; it tells
// whether it answered itself.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	meddle func(w http.ResponseWriter, r *http.Request, real http.Handler) bool
}

func (f *fake) with(meddle func(w http.ResponseWriter, r *http.Request, real http.Handler) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meddle = meddle
}

func newFake(t testing.TB) *fake {
	t.Helper()
	back := s3mem.New()
	ok(t, back.CreateBucket(storagetest.Bucket))
	real := gofakes3.New(back).Server()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		meddle := f.meddle
		f.mu.Unlock()
		if meddle == nil || !meddle(w, r, real) {
			real.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// bucket opens the bucket of a server, with quick retries.
func bucket(t testing.TB, endpoint string, change ...func(*storage.S3Options)) *storage.S3 {
	t.Helper()
	o := storage.S3Options{
		Endpoint: endpoint, Bucket: storagetest.Bucket, PathStyle: true,
		AccessKey: storagetest.Access, SecretKey: storagetest.Secret,
	}
	for _, f := range change {
		f(&o)
	}
	s := must(storage.OpenS3(t.Context(), o))(t)
	s.Hurry()
	t.Cleanup(func() { s.Close() })
	return s
}

func below(prefix string) func(*storage.S3Options) {
	return func(o *storage.S3Options) { o.Prefix = prefix }
}

func checksumsRequired(o *storage.S3Options) { o.Checksums = "required" }

// everyStore runs a test on every kind of store.
func everyStore(t *testing.T, test func(t *testing.T, s storage.Store)) {
	t.Run("dir", func(t *testing.T) { test(t, openDir(t, t.TempDir())) })
	t.Run("fake", func(t *testing.T) { test(t, bucket(t, newFake(t).URL)) })
	t.Run("fake, prefix, checksums required", func(t *testing.T) {
		test(t, bucket(t, newFake(t).URL, below("/team/a/"), checksumsRequired))
	})
	t.Run("server", func(t *testing.T) { test(t, bucket(t, storagetest.NewS3(t).Endpoint())) })
	t.Run("server, prefix, checksums required", func(t *testing.T) {
		test(t, bucket(t, storagetest.NewS3(t).Endpoint(), below("team/a"), checksumsRequired))
	})
}

func TestStore(t *testing.T) {
	everyStore(t, func(t *testing.T, s storage.Store) {
		t.Run("conditions", func(t *testing.T) { testConditions(t, s) })
		t.Run("list", func(t *testing.T) { testList(t, s) })
		t.Run("ranges", func(t *testing.T) { testRanges(t, s) })
		t.Run("sizes", func(t *testing.T) { testSizes(t, s) })
		t.Run("one wins", func(t *testing.T) { testOneWins(t, s) })
		t.Run("broken source", func(t *testing.T) { testBrokenSource(t, s) })
		t.Run("bad keys", func(t *testing.T) { testBadKeys(t, s) })
		t.Run("journal", func(t *testing.T) { testJournal(t, s) })
		t.Run("staging", func(t *testing.T) { testStaging(t, s) })
	})
}

func testConditions(t *testing.T, s storage.Store) {
	ctx := t.Context()
	one := put(t, s, "c/b/c", "one", storage.IfAbsent)
	if _, err := s.Put(ctx, "c/b/c", strings.NewReader("two"), storage.IfAbsent); !errors.Is(err, storage.ErrExists) {
		t.Errorf("IfAbsent over an object: %v", err)
	}
	two := put(t, s, "c/b/c", "two", storage.IfMatch(one.Version))
	if _, err := s.Put(ctx, "c/b/c", strings.NewReader("three"), storage.IfMatch(one.Version)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("IfMatch of an old version: %v", err)
	}
	if _, err := s.Put(ctx, "c/b/none", strings.NewReader("x"), storage.IfMatch(one.Version)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("IfMatch of nothing: %v", err)
	}
	if got := read(t, s, "c/b/c"); got != "two" {
		t.Errorf("it holds %q", got)
	}
	same := cmp.Options{cmpopts.IgnoreFields(storage.Object{}, "Modified"), cmpopts.IgnoreUnexported(storage.Object{})}
	if diff := cmp.Diff(two, must(s.Stat(ctx, "c/b/c"))(t), same); diff != "" {
		t.Errorf("Put and Stat differ: %s", diff)
	}
	for o, err := range s.List(ctx, "c/b/c") {
		ok(t, err)
		if diff := cmp.Diff(two, o, same); diff != "" {
			t.Errorf("Put and List differ: %s", diff)
		}
	}
	r, o, err := s.Open(ctx, "c/b/c", storage.Range{})
	ok(t, err)
	r.Close()
	if diff := cmp.Diff(two, o, same); diff != "" {
		t.Errorf("Put and Open differ: %s", diff)
	}
	ok(t, s.Delete(ctx, "c/b/c"))
	if err := s.Delete(ctx, "c/b/c"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Delete of nothing: %v", err)
	}
	if _, _, err := s.Open(ctx, "c/b/c", storage.Range{}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Open of nothing: %v", err)
	}
	if _, err := s.Stat(ctx, "c/b/c"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of nothing: %v", err)
	}
	if got := keys(t, s, "c/"); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func testList(t *testing.T, s storage.Store) {
	for _, k := range []string{"l/a/b", "l/a-b", "l/a.b", "l/a/c/d", "l/b", "l/z~1+2^3=:@,/y"} {
		put(t, s, k, k, storage.Always)
	}
	if diff := cmp.Diff([]string{"l/a-b", "l/a.b", "l/a/b", "l/a/c/d", "l/b", "l/z~1+2^3=:@,/y"}, keys(t, s, "l/")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"l/a/c/d"}, keys(t, s, "l/a/c")); diff != "" {
		t.Error(diff)
	}
	if got := keys(t, s, "none/"); got != nil {
		t.Errorf("in no directory there is %q", got)
	}
	if got := read(t, s, "l/z~1+2^3=:@,/y"); got != "l/z~1+2^3=:@,/y" {
		t.Errorf("it holds %q", got)
	}
	for range s.List(t.Context(), "l/") {
		break // the rest is not asked for, and nothing hangs
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(ctx, "l/") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a list after the end of its context: %v", err)
		}
	}
}

func testRanges(t *testing.T, s storage.Store) {
	put(t, s, "r/k", "0123456789", storage.Always)
	put(t, s, "r/empty", "", storage.Always)
	for _, c := range []struct {
		key  string
		r    storage.Range
		want string
	}{
		{"r/k", storage.Range{}, "0123456789"},
		{"r/k", storage.Range{Offset: 3}, "3456789"},
		{"r/k", storage.Range{Offset: 3, Length: 2}, "34"},
		{"r/k", storage.Range{Length: 2}, "01"},
		{"r/k", storage.Range{Offset: 8, Length: 20}, "89"},
		{"r/k", storage.Range{Offset: 10}, ""},
		{"r/k", storage.Range{Offset: 20, Length: 1}, ""},
		{"r/empty", storage.Range{}, ""},
		{"r/empty", storage.Range{Length: 5}, ""},
	} {
		r, o, err := s.Open(t.Context(), c.key, c.r)
		if err != nil {
			t.Errorf("%s %+v: %v", c.key, c.r, err)
			continue
		}
		if got := string(must(io.ReadAll(r))(t)); got != c.want {
			t.Errorf("%s %+v: %q", c.key, c.r, got)
		}
		if want := int64(len(map[string]string{"r/k": "0123456789"}[c.key])); o.Size != want {
			t.Errorf("%s %+v: size %d", c.key, c.r, o.Size)
		}
		ok(t, r.Close())
	}
}

// noise is that many bytes that do not repeat.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// stream hides all that a reader can do but reading.
type stream struct{ r io.Reader }

func (s stream) Read(p []byte) (int, error) { return s.r.Read(p) }

func testSizes(t *testing.T, s storage.Store) {
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 8 << 20, 8<<20 + 1, 17<<20 + 7} {
		b := noise(size)
		for name, r := range map[string]io.Reader{"file": bytes.NewReader(b), "stream": stream{bytes.NewReader(b)}} {
			if name == "file" && size > 8<<20 {
				continue // it goes in one request like one of 8 MiB
			}
			key := fmt.Sprintf("s/%d-%s", size, name)
			o := must(s.Put(t.Context(), key, r, storage.IfAbsent))(t)
			if o.Size != int64(size) || o.Version == "" {
				t.Errorf("%s: %+v", key, o)
			}
			if got := read(t, s, key); got != string(b) {
				t.Errorf("%s: %d other bytes came back", key, len(got))
			}
			// The source is read to its end although it is not wanted.
			again := bytes.NewReader(b)
			if _, err := s.Put(t.Context(), key, stream{again}, storage.IfAbsent); !errors.Is(err, storage.ErrExists) {
				t.Errorf("%s again: %v", key, err)
			}
			if again.Len() > 0 {
				t.Errorf("%s again: %d bytes were not read", key, again.Len())
			}
			ok(t, s.Delete(t.Context(), key))
		}
	}
}

func testOneWins(t *testing.T, s storage.Store) {
	start := put(t, s, "w/match", "0", storage.Always)
	for name, cond := range map[string]storage.Condition{"w/absent": storage.IfAbsent, "w/match": storage.IfMatch(start.Version)} {
		var won atomic.Int32
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				_, err := s.Put(context.Background(), name, strings.NewReader(fmt.Sprint("mine", i)), cond)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d writers won", name, won.Load())
		}
	}
}

func testBrokenSource(t *testing.T, s storage.Store) {
	put(t, s, "b/k", "old", storage.Always)
	for _, before := range []int{0, 3, 300 << 10, 9 << 20} {
		r := io.MultiReader(bytes.NewReader(noise(before)), &failing{1})
		if _, err := s.Put(t.Context(), "b/k", r, storage.Always); err == nil || !strings.Contains(err.Error(), "the line broke") {
			t.Errorf("after %d bytes: the error is %v", before, err)
		}
	}
	if got := read(t, s, "b/k"); got != "old" {
		t.Errorf("it holds %d bytes", len(got))
	}
	if diff := cmp.Diff([]string{"b/k"}, keys(t, s, "b/")); diff != "" {
		t.Error(diff)
	}
}

func testBadKeys(t *testing.T, s storage.Store) {
	for _, key := range []string{"", "../x", "a/../x", "a\nb", "/a", "a/", ".tmp-x", "a\x1b[2J"} {
		if _, err := s.Put(t.Context(), key, strings.NewReader("x"), storage.Always); err == nil {
			t.Errorf("%q was written", key)
		}
		if _, _, err := s.Open(t.Context(), key, storage.Range{}); err == nil {
			t.Errorf("%q was opened", key)
		}
		if _, err := s.Stat(t.Context(), key); err == nil {
			t.Errorf("%q was looked at", key)
		}
		if err := s.Delete(t.Context(), key); err == nil {
			t.Errorf("%q was removed", key)
		}
	}
}

func testJournal(t *testing.T, s storage.Store) {
	j := must(storage.OpenJournal(t.Context(), s, "journal"))(t)
	other := must(storage.OpenJournal(t.Context(), s, "journal"))(t)
	e := storage.Envelope{Actor: "neil", Host: "tower", Type: "tick", Data: []byte(`{"item":"x"}`)}
	for range 3 {
		must(j.Append(t.Context(), e))(t)
	}
	if _, err := other.Append(t.Context(), e); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("an append at a place that is taken: %v", err)
	}
	if news := must(other.News(t.Context()))(t); len(news) != 3 {
		t.Errorf("%d entries are new", len(news))
	}
	must(other.Append(t.Context(), e))(t)
	report := must(j.Verify(t.Context()))(t)
	if report.Entries != 4 || len(report.Damage) > 0 {
		t.Errorf("the report: %+v", report)
	}
}

func testStaging(t *testing.T, s storage.Store) {
	ctx := t.Context()
	area := storage.NewStaging(s)
	body := noise(300 << 10)
	a := must(area.Put(ctx, place, "a-1-1.x86_64.rpm", bytes.NewReader(body), false))(t)
	must(area.Put(ctx, place, "a-1-1.x86_64.rpm", bytes.NewReader(body), false))(t)
	if _, err := area.Put(ctx, place, "a-1-1.x86_64.rpm", strings.NewReader("other"), false); !errors.Is(err, storage.ErrExists) {
		t.Errorf("other bytes under the same name: %v", err)
	}
	put(t, s, place.Prefix()+"orphan.rpm.sha256", a.Digest, storage.Always)
	listed := must(area.List(ctx, place))(t)
	verdicts := map[string]storage.Verdict{}
	for _, a := range must(area.VerifyAll(ctx, listed, nil, nil))(t) {
		verdicts[a.File] = a.Verdict
	}
	want := map[string]storage.Verdict{"a-1-1.x86_64.rpm": storage.Verified, "orphan.rpm.sha256": storage.OrphanSidecar}
	if diff := cmp.Diff(want, verdicts); diff != "" {
		t.Error(diff)
	}
	must(area.Put(ctx, place, "a-1-1.x86_64.rpm", strings.NewReader("other"), true))(t)
	if _, err := area.Open(ctx, listed[0]); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("Open of one that was replaced: %v", err)
	}
	for _, a := range must(area.List(ctx, place))(t) {
		ok(t, area.Remove(ctx, a))
	}
	if got := keys(t, s, place.Prefix()); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func TestS3Copy(t *testing.T) {
	for name, endpoint := range map[string]func(t *testing.T) string{
		"fake":   func(t *testing.T) string { return newFake(t).URL },
		"server": func(t *testing.T) string { return storagetest.NewS3(t).Endpoint() },
	} {
		t.Run(name, func(t *testing.T) {
			s := bucket(t, endpoint(t), below("p+q"))
			body := string(noise(11 << 20))
			put(t, s, "a/b+c~1^2", body, storage.Always)
			o := must(s.Copy(t.Context(), "a/b+c~1^2", "d/e+f"))(t)
			if got := read(t, s, "d/e+f"); got != body || o.Size != int64(len(body)) || o.Key != "d/e+f" {
				t.Errorf("the copy has %d bytes: %+v", len(got), o)
			}
			if _, err := s.Copy(t.Context(), "none", "x"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("copy of nothing: %v", err)
			}
			if name == "fake" {
				return // it knows no parts that are copied
			}
			s.CopyInParts(5 << 20)
			must(s.Copy(t.Context(), "a/b+c~1^2", "d/parts"))(t)
			if got := read(t, s, "d/parts"); got != body {
				t.Errorf("the copy in parts has %d bytes", len(got))
			}
		})
	}
}

func TestS3Download(t *testing.T) {
	for name, endpoint := range map[string]func(t *testing.T) string{
		"fake":   func(t *testing.T) string { return newFake(t).URL },
		"server": func(t *testing.T) string { return storagetest.NewS3(t).Endpoint() },
	} {
		t.Run(name, func(t *testing.T) {
			s := bucket(t, endpoint(t))
			sizes := []int{0, 1000, 32<<20 + 1}
			if name == "server" {
				sizes = append(sizes, 70<<20) // uploaded in parts
			}
			for _, size := range sizes {
				b, key := noise(size), fmt.Sprint("k", size)
				must(s.Put(t.Context(), key, bytes.NewReader(b), storage.Always))(t)
				f := must(os.Create(t.TempDir() + "/f"))(t)
				var counted atomic.Int64
				o := must(s.Download(t.Context(), key, f, func(n int64) { counted.Add(n) }))(t)
				ok(t, f.Close())
				if got := must(os.ReadFile(f.Name()))(t); !bytes.Equal(got, b) || o.Size != int64(size) || counted.Load() != int64(size) {
					t.Errorf("%d bytes: %d came, %d were counted: %+v", size, len(got), counted.Load(), o)
				}
			}
		})
	}
}

func TestS3Level(t *testing.T) {
	for name, endpoint := range map[string]func(t *testing.T) string{
		"fake":   func(t *testing.T) string { return newFake(t).URL },
		"server": func(t *testing.T) string { return storagetest.NewS3(t).Endpoint() },
	} {
		t.Run(name, func(t *testing.T) {
			s := bucket(t, endpoint(t), below("p"))
			for _, k := range []string{"a", "b/c", "b/d/e", "f-1", "f/g"} {
				put(t, s, k, k, storage.Always)
			}
			var got []string
			for o, err := range s.Level(t.Context(), "") {
				ok(t, err)
				got = append(got, o.Key)
			}
			if diff := cmp.Diff([]string{"a", "b/", "f-1", "f/"}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestS3Options(t *testing.T) {
	for name, change := range map[string]func(*storage.S3Options){
		"no bucket":      func(o *storage.S3Options) { o.Bucket = "" },
		"path as bucket": func(o *storage.S3Options) { o.Bucket = "a/b" },
		"bad prefix":     below("a/../b"),
		"bad checksums":  func(o *storage.S3Options) { o.Checksums = "never" },
		"no URL":         func(o *storage.S3Options) { o.Endpoint = "localhost:9000" },
		"half a key":     func(o *storage.S3Options) { o.SecretKey = "" },
	} {
		o := storage.S3Options{Endpoint: "http://localhost:1", Bucket: "b", AccessKey: "a", SecretKey: "hunter2"}
		change(&o)
		if _, err := storage.OpenS3(t.Context(), o); err == nil {
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := bucket(t, "http://localhost:1/", below("/x/y/")).Address(); got != "http://localhost:1/gantry/x/y" {
		t.Errorf("the address is %s", got)
	}
}

func TestS3Reachable(t *testing.T) {
	server := storagetest.NewS3(t)
	ok(t, bucket(t, server.Endpoint()).Reachable(t.Context()))
	nobody := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	nobody.Close()
	for name, c := range map[string]struct {
		change     func(*storage.S3Options)
		says, hint string
	}{
		"no bucket":   {func(o *storage.S3Options) { o.Bucket = "other" }, "the bucket other does not exist", "make the bucket"},
		"unknown key": {func(o *storage.S3Options) { o.AccessKey = "x" }, "does not know the access key", "access_key"},
		"wrong key":   {func(o *storage.S3Options) { o.SecretKey = "x" }, "does not accept the signature", "secret_key"},
		"nobody":      {func(o *storage.S3Options) { o.Endpoint = "http://" + nobody.Addr().String() }, "connection refused", "check the store's endpoint"},
		"tunnel": {func(o *storage.S3Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("the tunnel is down") }
		}, "the tunnel is down", "check the tunnel"},
	} {
		t.Run(name, func(t *testing.T) {
			s := bucket(t, server.Endpoint(), c.change)
			err := s.Reachable(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(config.HintOf(err), c.hint) {
				t.Errorf("Reachable: %v (%s)", err, config.HintOf(err))
			}
			// Whatever is done, the reason is the same.
			_, err = s.Stat(t.Context(), "k")
			if err == nil || errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Stat: %v", err)
			}
			_, err = s.Put(t.Context(), "k", strings.NewReader("x"), storage.Always)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Put: %v", err)
			}
		})
	}
}
