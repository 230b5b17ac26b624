package storage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/storagetest"
)

func TestS3ListHostile(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL, below("p"))
	list := func(body string) ([]string, error) {
		f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			fmt.Fprint(w, `<?xml version="1.0"?><ListBucketResult>`+body+`</ListBucketResult>`)
			return true
		})
		var got []string
		for o, err := range s.List(t.Context(), "") {
			if err != nil {
				return got, err
			}
			got = append(got, o.Key)
		}
		return got, nil
	}
	object := func(key string) string {
		return "<Contents><Key>" + key + `</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-11-21T12:00:00Z</LastModified></Contents>`
	}
	if got, err := list("<EncodingType>url</EncodingType>" + object("p/a%0Ab+c%1B") + object("p/d%2Be")); err != nil || len(got) != 2 || got[0] != "a\nb c\x1b" || got[1] != "d+e" {
		t.Errorf("%q, %v", got, err)
	}
	for name, body := range map[string]string{
		"out of order":     object("p/b") + object("p/a"),
		"twice":            object("p/a") + object("p/a"),
		"not asked for":    object("q/a"),
		"no size":          "<Contents><Key>p/a</Key><ETag>e</ETag></Contents>",
		"negative":         `<Contents><Key>p/a</Key><Size>-1</Size><ETag>"e"</ETag></Contents>`,
		"more, not where":  object("p/a") + "<IsTruncated>true</IsTruncated>",
		"for ever":         object("p/a") + "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>",
		"bad encoding":     "<EncodingType>url</EncodingType>" + object("p/%zz"),
		"no XML":           "<Contents><Key>p/\x01",
		"ended in between": object("p/a") + "<Contents>",
	} {
		if got, err := list(body); err == nil || config.Inert(err.Error()) != err.Error() {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestS3ListPages(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL)
	const n = 1500
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := w; i < n; i += 4 {
				if _, err := s.Put(context.Background(), fmt.Sprintf("p/%05d", i), strings.NewReader("x"), storage.Always); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// One goes and one comes between the pages.
	var page atomic.Int64
	f.with(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		if r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2" && page.Add(1) == 2 {
			for method, path := range map[string]string{http.MethodDelete: "p/01400", http.MethodPut: "p/01500"} {
				r := httptest.NewRequest(method, "/"+storagetest.Bucket+"/"+path, strings.NewReader("x"))
				r.Header.Set("Content-Length", "1")
				real.ServeHTTP(httptest.NewRecorder(), r)
			}
		}
		return false
	})
	got := keys(t, s, "p/")
	if len(got) != n || got[len(got)-1] != "p/01500" {
		t.Errorf("%d keys, the last is %s", len(got), got[len(got)-1])
	}
}

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
