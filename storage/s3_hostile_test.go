package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// What is no list is not an empty one.
func TestS3ListIsNone(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":        "",
		"an error":       `<?xml version="1.0"?><Error><Code>InternalError</Code><Message>x</Message></Error>`,
		"a page":         "<html><head><title>Welcome</title></head><body>It works</body></html>",
		"another answer": "<ListAllMyBucketsResult><Owner/></ListAllMyBucketsResult>",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				fmt.Fprint(w, body)
				return true
			})
			s := bucket(t, f.URL)
			for list, all := range map[string]func(context.Context, string) func(func(storage.Object, error) bool){
				"List":  func(ctx context.Context, p string) func(func(storage.Object, error) bool) { return s.List(ctx, p) },
				"Level": func(ctx context.Context, p string) func(func(storage.Object, error) bool) { return s.Level(ctx, p) },
			} {
				var got error
				for _, err := range all(t.Context(), "") {
					got = err
				}
				if got == nil || config.Inert(got.Error()) != got.Error() {
					t.Errorf("%s: %v", list, got)
				}
			}
			if err := s.Reachable(t.Context()); err == nil {
				t.Error("it can be reached")
			}
			if _, err := storage.OpenJournal(t.Context(), s, "journal"); err == nil {
				t.Error("a journal was opened there")
			}
		})
	}
}

// A server that lists more than it was asked for must not make anybody remove
// it.
func TestS3ListsTooMuch(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL, below("p"))
	for _, key := range []string{"a/1", "b/1", "c"} {
		put(t, s, key, "x", storage.Always)
	}
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		q := r.URL.Query()
		q.Set("prefix", "p/")
		r.URL.RawQuery = q.Encode()
		r.Form = nil
		return false
	})
	for o, err := range s.List(t.Context(), "b/") {
		if err == nil && !strings.HasPrefix(o.Key, "b/") {
			t.Errorf("%s is not below b/", o.Key)
		}
	}
}

// A list of pages without end and without anything on them ends.
func TestS3ListOfEmptyPages(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL)
	var n atomic.Int64
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if n.Add(1) > 20000 {
			return answer(w, 403, "AccessDenied", "the test ends it")
		}
		fmt.Fprintf(w, `<ListBucketResult><Name>gantry</Name><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken></ListBucketResult>`, n.Load())
		return true
	})
	var got error
	for _, err := range s.List(t.Context(), "") {
		got = err
	}
	if got == nil || strings.Contains(got.Error(), "the test ends it") {
		t.Errorf("it ended after %d pages: %v", n.Load(), got)
	}
}

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
		"an error": func(h http.Header, b []byte) []byte {
			b = []byte("<Error><Code>InternalError</Code></Error>")
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
