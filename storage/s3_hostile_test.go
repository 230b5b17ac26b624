package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// Nothing follows to another host, with a signature or without.
func TestS3Redirects(t *testing.T) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := newFake(t)
		f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
			return true
		})
		s := bucket(t, f.URL)
		_, _, opened := s.Open(t.Context(), "k", storage.Range{})
		_, stat := s.Stat(t.Context(), "k")
		_, written := s.Put(t.Context(), "k", strings.NewReader("x"), storage.Always)
		var listed error
		for _, err := range s.List(t.Context(), "") {
			listed = err
		}
		for what, err := range map[string]error{
			"Open": opened, "Stat": stat, "Put": written, "List": listed, "Reachable": s.Reachable(t.Context()), "Delete": s.Delete(t.Context(), "k"),
		} {
			if err == nil || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%d: %s: %v", status, what, err)
			}
		}
	}
	if asked.Load() > 0 {
		t.Errorf("%d requests went elsewhere", asked.Load())
	}
}

// A server whose ETags are made of time and size gives other bytes the same one.
func TestS3ETagOfTimeAndSize(t *testing.T) {
	f := newFake(t)
	f.with(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		match := r.Header.Get("If-Match")
		if r.Method == http.MethodPut && match != "" {
			// Heeded, by ETags of this kind.
			h := httptest.NewRequest(http.MethodHead, r.URL.String(), nil)
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, h)
			if match != `"now-`+rec.Header().Get("Content-Length")+`"` {
				return answer(w, 412, "PreconditionFailed", "no")
			}
			r.Header.Del("If-Match")
		}
		rec := httptest.NewRecorder()
		size := r.ContentLength
		real.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		if r.Method != http.MethodPut {
			fmt.Sscan(rec.Header().Get("Content-Length"), &size)
		}
		if w.Header().Get("ETag") != "" {
			w.Header().Set("ETag", fmt.Sprintf(`"now-%d"`, size))
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
		return true
	})
	if err := bucket(t, f.URL).Conditional(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot hold a journal or a pointer") {
		t.Errorf("it may hold a journal: %v", err)
	}
}

// A condition that holds for requests in one piece may be ignored when parts
// are put together.
func TestS3IgnoresConditionsOfParts(t *testing.T) {
	for _, header := range []string{"If-None-Match", "If-Match"} {
		t.Run(header, func(t *testing.T) {
			f := newFake(t)
			f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if r.Method == http.MethodPost {
					r.Header.Del("If-None-Match")
					r.Header.Del("If-Match")
				}
				return false
			})
			s := bucket(t, f.URL)
			c := storage.IfAbsent
			if header == "If-Match" {
				c = storage.IfMatch(put(t, s, "k", "old", storage.Always).Version)
			}
			// Another writes after this one looked, before its last request.
			r := &onceAt{bytes.NewReader(noise(20 << 20)), 9 << 20, func() { put(t, s, "k", "theirs", storage.Always) }}
			_, err := s.Put(t.Context(), "k", stream{r}, c)
			if got := read(t, s, "k"); err == nil || got != "theirs" {
				t.Errorf("what another wrote was overwritten: %v", err)
			}
		})
	}
}

// Nor does a server that refuses such conditions keep anything from being
// written.
func TestS3RefusesConditionsOfParts(t *testing.T) {
	f := newFake(t)
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return r.Method == http.MethodPost && r.Header.Get("If-None-Match") != "" && answer(w, 501, "NotImplemented", "no such header here")
	})
	s := bucket(t, f.URL)
	body := noise(9 << 20)
	must(s.Put(t.Context(), "k", stream{bytes.NewReader(body)}, storage.IfAbsent))(t)
	if got := read(t, s, "k"); got != string(body) {
		t.Errorf("it holds %d bytes", len(got))
	}
	if got := keys(t, s, ""); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

// Against the real server: of two who write parts one wins.
func TestS3PartsOfTwo(t *testing.T) {
	s := bucket(t, storagetest.NewS3(t).Endpoint())
	r := &onceAt{bytes.NewReader(noise(20 << 20)), 9 << 20, func() { put(t, s, "k", "theirs", storage.IfAbsent) }}
	_, err := s.Put(t.Context(), "k", stream{r}, storage.IfAbsent)
	if got := read(t, s, "k"); !errors.Is(err, storage.ErrExists) || got != "theirs" {
		t.Errorf("%v, and it holds %d bytes", err, len(got))
	}
}

// Answers that are packed, or longer or shorter than they say, never pass for
// the bytes that were written.
func TestS3GarbledAnswers(t *testing.T) {
	f := newFake(t)
	body := noise(100 << 10)
	put(t, bucket(t, f.URL), "k", string(body), storage.Always)
	for name, garble := range map[string]func(h http.Header, b []byte) []byte{
		"another length, shorter": func(h http.Header, b []byte) []byte {
			h.Set("Content-Length", fmt.Sprint(len(b)-1))
			return b[:len(b)-1]
		},
		"another length, longer": func(h http.Header, b []byte) []byte {
			h.Set("Content-Length", fmt.Sprint(len(b)+1))
			return append(b, 'x')
		},
		"no length": func(h http.Header, b []byte) []byte {
			h.Del("Content-Length")
			return b
		},
		"packed": func(h http.Header, b []byte) []byte {
			h.Set("Content-Encoding", "gzip")
			b = append([]byte{0x1f, 0x8b, 8}, b[3:]...)
			return b
		},
		"an error": func(h http.Header, _ []byte) []byte {
			b := []byte("<Error><Code>InternalError</Code></Error>")
			h.Set("Content-Length", fmt.Sprint(len(b)))
			return b
		},
	} {
		f.with(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
			if r.Method != http.MethodGet {
				return false
			}
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, r)
			b := garble(rec.Header(), rec.Body.Bytes())
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			if f, ok := w.(http.Flusher); ok && rec.Header().Get("Content-Length") == "" {
				f.Flush()
			}
			w.Write(b)
			return true
		})
		s := bucket(t, f.URL)
		r, _, err := s.Open(t.Context(), "k", storage.Range{})
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// What is given up in the middle leaves nothing behind in this process.
func TestS3GivenUp(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFake(t)
	s := bucket(t, f.URL)
	ok(t, s.Conditional(t.Context()))
	big := noise(9 << 20)
	put(t, s, "big", string(big), storage.Always)
	tree := must(storage.OpenStoreTree(s, "deb/suites/a", face))(t)
	pool := storage.NewPool(s, "pool")
	for _, n := range []int64{1, 2, 3, 5, 8} {
		var all sync.WaitGroup
		for _, do := range map[string]func(ctx context.Context) error{
			"stream": func(ctx context.Context) error {
				_, err := s.Put(ctx, fmt.Sprint("stream", n), stream{bytes.NewReader(big)}, storage.IfAbsent)
				return err
			},
			"read": func(ctx context.Context) error {
				r, _, err := s.Open(ctx, "big", storage.Range{})
				if err != nil {
					return err
				}
				defer r.Close()
				_, err = io.ReadAll(io.LimitReader(r, n<<18))
				return err
			},
			"list": func(ctx context.Context) (err error) {
				for _, err = range s.List(ctx, "") {
					break
				}
				return err
			},
			"pool": func(ctx context.Context) error {
				b := big[:1<<20]
				_, err := pool.Put(ctx, fmt.Sprint(n), int64(len(b)), sum(string(b)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
				return err
			},
			"build": func(ctx context.Context) error {
				b, err := tree.Begin(ctx, noon.Add(time.Duration(n)*time.Minute), 0)
				if err != nil {
					return err
				}
				defer b.Abort()
				e, err := b.Create(ctx, "In")
				if err != nil {
					return err
				}
				defer e.Abort()
				if _, err = e.Write(big[:1<<20]); err == nil {
					_, err = e.Commit()
				}
				return err
			},
		} {
			all.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var asked atomic.Int64
				ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) {
					if asked.Add(1) == n {
						cancel()
					}
				}})
				_ = do(ctx) // whatever came of it
			})
		}
		all.Wait()
	}
	if n := storage.SlotsInUse(); n > 0 {
		t.Errorf("%d slots are in use", n)
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(to, "gantry-") && strings.HasSuffix(to, "(deleted)") {
			t.Errorf("%s is open", to)
		}
	}
	ok(t, s.Close())
	f.Close()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	all := make([]byte, 1<<20)
	t.Errorf("goroutines stay:\n%s", all[:runtime.Stack(all, true)])
}

// What a server that cannot hold a journal says is not covered by the advice for
// directories.
func TestS3JournalRefused(t *testing.T) {
	f := newFake(t)
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		r.Header.Del("If-None-Match")
		return false
	})
	j := must(storage.OpenJournal(t.Context(), bucket(t, f.URL), "journal"))(t)
	_, err := j.Append(t.Context(), storage.Envelope{Actor: "neil", Host: "tower", Type: "tick"})
	if err == nil || !strings.Contains(config.HintOf(err), "If-None-Match") {
		t.Errorf("%v (%s)", err, config.HintOf(err))
	}
}

// A server that sends back what it was sent does not make us show it.
func TestS3EchoesSecrets(t *testing.T) {
	f := newFake(t)
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return answer(w, 403, "AccessDenied", "you said "+r.Header.Get("Authorization")+" and "+r.Header.Get("X-Amz-Security-Token"))
	})
	s := bucket(t, f.URL, func(o *storage.S3Options) { o.SessionToken = "a-token-of-this-session" })
	_, err := s.Put(t.Context(), "k", strings.NewReader("x"), storage.Always)
	if err == nil {
		t.Fatal("it was written")
	}
	for _, secret := range []string{"a-token-of-this-session", "Signature=", storagetest.Secret} {
		if text := fmt.Sprintf("%v %+v %s", err, err, config.HintOf(err)); strings.Contains(text, secret) {
			t.Errorf("it shows %s: %s", secret, text)
		}
	}
}

// A name that no key could have is no way to the terminal, and does not pass for
// what was removed.
func TestS3StrangeNamesAmongSnapshots(t *testing.T) {
	server := storagetest.NewS3(t)
	s := bucket(t, server.Endpoint())
	tree := storeTree(t, s)
	dir := server.Root() + "/" + storagetest.Bucket + "/deb/suites/a/snapshots/20200101T000000Z"
	ok(t, os.MkdirAll(dir, 0o755))
	ok(t, os.WriteFile(dir+"/a\x1b[31mb", nil, 0o644))
	err := tree.Sweep(t.Context())
	if err == nil || config.Inert(err.Error()) != err.Error() || config.HintOf(err) == "" {
		t.Errorf("%q (%s)", err, config.HintOf(err))
	}
	edition(t, tree, "one") // and goes on
}

// A source that ends too early by its own account is not one that ended.
func TestS3SourceCutShort(t *testing.T) {
	s := bucket(t, newFake(t).URL)
	put(t, s, "k", "old", storage.Always)
	for _, n := range []int{0, 3, 300 << 10, 9 << 20} {
		r := io.MultiReader(bytes.NewReader(noise(n)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := s.Put(t.Context(), "k", stream{r}, storage.Always); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if got := read(t, s, "k"); got != "old" {
			t.Fatalf("after %d bytes: it holds %d bytes", n, len(got))
		}
	}
}
