package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gantry/config"
	"gantry/storage"
)

// breaking is a network whose connections are reset after so many bytes, the
// first of them or all.
type breaking struct {
	reads, writes int64 // 0 is never
	every         bool
	broken        atomic.Int64
}

func (b *breaking) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil || b.broken.Load() > 0 && !b.every {
		return c, err
	}
	return &breakingConn{Conn: c, b: b}, nil
}

type breakingConn struct {
	net.Conn
	b             *breaking
	reads, writes atomic.Int64
}

func (c *breakingConn) cut(most int64, done *atomic.Int64, p []byte, do func([]byte) (int, error)) (int, error) {
	if most > 0 {
		left := most - done.Load()
		if left <= 0 {
			c.b.broken.Add(1)
			c.Conn.Close()
			return 0, syscall.ECONNRESET
		}
		p = p[:min(int64(len(p)), left)]
	}
	n, err := do(p)
	done.Add(int64(n))
	return n, err
}

func (c *breakingConn) Read(p []byte) (int, error) { return c.cut(c.b.reads, &c.reads, p, c.Conn.Read) }

func (c *breakingConn) Write(p []byte) (int, error) {
	n, err := c.cut(c.b.writes, &c.writes, p, c.Conn.Write)
	if err == nil && n < len(p) {
		m, err := c.Write(p[n:])
		return n + m, err
	}
	return n, err
}

func through(b *breaking) func(*storage.S3Options) {
	return func(o *storage.S3Options) { o.Dial = b.dial }
}

// cuts are places to cut at: within the headers, at their edges, in the body.
func cuts(size int) []int64 {
	all := []int64{1, 2, 15, 16, 17, 100}
	for n := int64(150); n < 1500; n += 97 {
		all = append(all, n)
	}
	for n := int64(1500); n < int64(size); n += int64(size / 9) {
		all = append(all, n)
	}
	return all
}

func TestS3DroppedWhileReading(t *testing.T) {
	f := newFake(t)
	body := string(noise(300 << 10))
	put(t, bucket(t, f.URL), "k", body, storage.Always)
	for _, n := range cuts(len(body)) {
		b := &breaking{reads: n}
		if got := read(t, bucket(t, f.URL, through(b)), "k"); got != body {
			t.Errorf("dropped after %d bytes: %d others came", n, len(got))
		}
		if b.broken.Load() == 0 {
			t.Errorf("nothing was dropped after %d bytes", n)
		}
	}
	// Every connection drops, and each brings something.
	b := &breaking{reads: 20 << 10, every: true}
	if got := read(t, bucket(t, f.URL, through(b)), "k"); got != body || b.broken.Load() < 10 {
		t.Errorf("always dropped: %d other bytes came over %d connections", len(got), b.broken.Load())
	}
	// Every connection drops, and none brings anything.
	s := bucket(t, f.URL, through(&breaking{reads: 40, every: true}))
	_, _, err := s.Open(t.Context(), "k", storage.Range{})
	if err == nil || !strings.Contains(err.Error(), "no answer from "+f.URL+" through the tunnel") {
		t.Errorf("nothing ever comes: %v", err)
	}
}

func TestS3DroppedWhileWriting(t *testing.T) {
	f := newFake(t)
	whole := bucket(t, f.URL)
	body := string(noise(300 << 10))
	for _, n := range cuts(len(body)) {
		b := &breaking{writes: n}
		s := bucket(t, f.URL, through(b))
		put(t, s, "k", body[:len(body)-int(n%97)], storage.Always)
		if b.broken.Load() == 0 {
			t.Errorf("nothing was dropped after %d bytes", n)
		}
		if got := read(t, whole, "k"); got != body[:len(body)-int(n%97)] {
			t.Errorf("dropped after %d bytes: it holds %d bytes", n, len(got))
		}
	}
	put(t, whole, "k", "old", storage.Always)
	s := bucket(t, f.URL, through(&breaking{writes: 20 << 10, every: true}))
	if _, err := s.Put(t.Context(), "k", strings.NewReader(body), storage.Always); err == nil {
		t.Error("a body that never got through was written")
	}
	if got := read(t, whole, "k"); got != "old" {
		t.Errorf("it holds %d bytes", len(got))
	}
}

// lossy lets the server do what it is asked, and drops the reply of as many
// requests as it says that match.
func lossy(count int, match func(r *http.Request) bool) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	var lost atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		if !match(r) || lost.Add(1) > int64(count) {
			return false
		}
		real.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

func conditionalPut(r *http.Request) bool {
	return r.Method == http.MethodPut && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "")
}

func TestS3LostReply(t *testing.T) {
	for name, count := range map[string]int{"first": 1, "three": 3, "all": 100} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			s := bucket(t, f.URL)
			ok(t, s.Conditional(t.Context()))
			f.with(lossy(count, conditionalPut))
			one := put(t, s, "k", "one", storage.IfAbsent)
			f.with(lossy(count, conditionalPut))
			two := put(t, s, "k", "two", storage.IfMatch(one.Version))
			if is := must(s.Stat(t.Context(), "k"))(t); is.Version != two.Version || read(t, s, "k") != "two" {
				t.Errorf("it is %+v, Put said %+v", is, two)
			}
			// The same, where somebody else was there before.
			f.with(lossy(count, conditionalPut))
			if _, err := s.Put(t.Context(), "k", strings.NewReader("two"), storage.IfAbsent); !errors.Is(err, storage.ErrExists) && count < 7 {
				t.Errorf("somebody else's, with the same bytes: %v", err)
			} else if err == nil {
				t.Error("somebody else's was taken for ours")
			}
			f.with(nil)
			if got := read(t, s, "k"); got != "two" {
				t.Errorf("it holds %q", got)
			}
		})
	}
}

func TestS3LostReplyOfParts(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL)
	ok(t, s.Conditional(t.Context()))
	body := noise(20 << 20)
	f.with(lossy(1, func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }))
	must(s.Put(t.Context(), "k", stream{bytes.NewReader(body)}, storage.IfAbsent))(t)
	if got := read(t, s, "k"); got != string(body) {
		t.Errorf("it holds %d bytes", len(got))
	}
}

// answer is an error of an S3 server.
func answer(w http.ResponseWriter, status int, code, message string) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	return true
}

func TestS3Storm(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL)
	body := string(noise(9 << 20))
	var n atomic.Int64
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return n.Add(1)%3 > 0 && answer(w, 503, "SlowDown", "Please reduce your request rate")
	})
	put(t, s, "a", "text", storage.IfAbsent)
	must(s.Put(t.Context(), "b", stream{strings.NewReader(body)}, storage.IfAbsent))(t)
	if read(t, s, "a") != "text" || read(t, s, "b") != body || len(keys(t, s, "")) != 2 {
		t.Error("the storm changed something")
	}
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return answer(w, 503, "SlowDown", "Please reduce\x1b your request rate")
	})
	_, err := s.Put(t.Context(), "a", strings.NewReader("x"), storage.Always)
	if err == nil || !strings.Contains(err.Error(), "write a: the server") || config.Inert(err.Error()) != err.Error() {
		t.Errorf("a storm that does not end: %v", err)
	}
	for _, err := range s.List(t.Context(), "") {
		if err == nil {
			t.Error("a list in a storm that does not end")
		}
	}
}

func TestS3Refusals(t *testing.T) {
	f := newFake(t)
	for _, c := range []struct {
		status           int
		code, says, hint string
	}{
		{403, "AccessDenied", "access is denied", "read, write and delete objects"},
		{403, "InvalidAccessKeyId", "does not know the access key", "access_key"},
		{403, "SignatureDoesNotMatch", "does not accept the signature", "secret_key"},
		{400, "ExpiredToken", "not valid any more", "get new ones"},
		{403, "RequestTimeTooSkewed", "the clock here differs from the server's, which says 20", "set the clock"},
		{404, "NoSuchBucket", "the bucket gantry does not exist", "make the bucket"},
		{503, "SlowDown", "too busy", "later"},
		{507, "XMinioStorageFull", "no room left", "make room"},
		{301, "PermanentRedirect", "another region", "region"},
		{400, "Odd\u202eCode", "the server answers 400", ""},
	} {
		t.Run(c.code, func(t *testing.T) {
			f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				return answer(w, c.status, c.code, "because")
			})
			s := bucket(t, f.URL)
			check := func(doing string, err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(config.HintOf(err), c.hint) || config.Inert(err.Error()) != err.Error() {
					t.Errorf("%s: %v (%s)", doing, err, config.HintOf(err))
				}
				if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
					t.Errorf("%s: %v is more than what was said", doing, err)
				}
			}
			check("Reachable", s.Reachable(t.Context()))
			check("Conditional", s.Conditional(t.Context()))
			_, err := s.Stat(t.Context(), "k")
			check("Stat", err)
			_, _, err = s.Open(t.Context(), "k", storage.Range{})
			check("Open", err)
			_, err = s.Put(t.Context(), "k", strings.NewReader("x"), storage.IfAbsent)
			check("Put", err)
			_, err = s.Put(t.Context(), "k", stream{bytes.NewReader(noise(9 << 20))}, storage.Always)
			check("Put in parts", err)
			check("Delete", s.Delete(t.Context(), "k"))
			for _, err := range s.List(t.Context(), "") {
				check("List", err)
			}
		})
	}
}

func TestS3ChecksumsRefused(t *testing.T) {
	f := newFake(t)
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum") || strings.HasPrefix(name, "X-Amz-Sdk-Checksum") || name == "X-Amz-Trailer" {
				return answer(w, 400, "InvalidRequest", "unknown header")
			}
		}
		return false
	})
	s := bucket(t, f.URL)
	for size := range map[int]bool{10: true, 9 << 20: true} {
		_, err := s.Put(t.Context(), "k", stream{bytes.NewReader(noise(size))}, storage.Always)
		if err == nil || !strings.Contains(config.HintOf(err), "`checksums: required`") {
			t.Errorf("%d bytes: %v (%s)", size, err, config.HintOf(err))
		}
	}
	s = bucket(t, f.URL, checksumsRequired)
	for _, size := range []int{10, 9 << 20, 70 << 20} {
		body := noise(size)
		key := fmt.Sprint("k", size)
		must(s.Put(t.Context(), key, bytes.NewReader(body), storage.IfAbsent))(t)
		if read(t, s, key) != string(body) {
			t.Errorf("%d bytes: others came back", size)
		}
	}
}

func TestS3IgnoresConditions(t *testing.T) {
	for _, header := range []string{"If-None-Match", "If-Match"} {
		f := newFake(t)
		f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			r.Header.Del(header)
			return false
		})
		s := bucket(t, f.URL)
		err := s.Conditional(t.Context())
		if err == nil || !strings.Contains(err.Error(), "ignores conditional writes; it cannot hold a journal or a pointer") {
			t.Errorf("without %s: %v", header, err)
		}
		if _, err := s.Put(t.Context(), "k", strings.NewReader("x"), storage.IfAbsent); err == nil {
			t.Errorf("without %s: a conditional write", header)
		}
		put(t, s, "k", "x", storage.Always)
		if got := keys(t, s, ""); len(got) != 1 {
			t.Errorf("without %s there is %q", header, got)
		}
	}
}

// TestS3Flipped changes one byte on the way.
func TestS3Flipped(t *testing.T) {
	f := newFake(t)
	body := noise(100 << 10)
	for name, change := range map[string]func(*storage.S3Options){
		"always": func(*storage.S3Options) {}, "required": checksumsRequired,
	} {
		s := bucket(t, f.URL, change)
		// On the way there: this server compares nothing, what is read back is.
		f.with(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
			if r.Method == http.MethodPut {
				b, _ := io.ReadAll(r.Body)
				b[len(b)/2] ^= 1
				r.Body = io.NopCloser(bytes.NewReader(b))
			}
			return false
		})
		if _, err := s.Put(t.Context(), "a", bytes.NewReader(body), storage.Always); err == nil || !strings.Contains(err.Error(), "not those that were written") {
			t.Errorf("%s: a byte changed on the way there: %v", name, err)
		}
		f.with(nil)
		must(s.Put(t.Context(), "b", bytes.NewReader(body), storage.Always))(t)
		f.with(func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
			if r.Method != http.MethodGet {
				return false
			}
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			b := rec.Body.Bytes()
			if len(b) > 0 {
				b[len(b)/2] ^= 1
			}
			w.WriteHeader(rec.Code)
			w.Write(b)
			return true
		})
		r, _, err := s.Open(t.Context(), "b", storage.Range{})
		ok(t, err)
		if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "not those that were written") {
			t.Errorf("%s: a byte changed on the way back: %v", name, err)
		}
		r.Close()
		f.with(nil)
	}
}

func TestS3ChangesWhileRead(t *testing.T) {
	f := newFake(t)
	plain := bucket(t, f.URL)
	put(t, plain, "k", string(noise(300<<10)), storage.Always)
	b := &breaking{reads: 50 << 10}
	s := bucket(t, f.URL, through(b))
	r, _, err := s.Open(t.Context(), "k", storage.Range{})
	ok(t, err)
	defer r.Close()
	put(t, plain, "k", string(noise(300<<10+1)), storage.Always)
	if _, err := io.ReadAll(r); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("other bytes after a drop: %v", err)
	}
	put(t, plain, "k", string(noise(40<<20)), storage.Always)
	var once sync.Once
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.HasPrefix(r.Header.Get("Range"), "bytes=1") {
			once.Do(func() { put(t, plain, "k", string(noise(40<<20+1)), storage.Always) })
		}
		return false
	})
	w := &inMemory{b: make([]byte, 40<<20)}
	if _, err := plain.Download(t.Context(), "k", w, nil); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("other bytes between ranges: %v", err)
	}
}

// inMemory is a file that is none.
type inMemory struct {
	mu sync.Mutex
	b  []byte
}

func (m *inMemory) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(m.b[at:], p), nil
}

func (m *inMemory) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return copy(p, m.b[at:]), nil
}

func TestS3CancelledUpload(t *testing.T) {
	f := newFake(t)
	s := bucket(t, f.URL)
	ctx, cancel := context.WithCancel(t.Context())
	var aborted atomic.Bool
	f.with(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
			aborted.Store(true)
		}
		if r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "3" {
			cancel()
		}
		return false
	})
	start := time.Now()
	if _, err := s.Put(ctx, "k", stream{bytes.NewReader(noise(64 << 20))}, storage.Always); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled upload after %s: %v", time.Since(start), err)
	}
	if !aborted.Load() {
		t.Error("its parts stay on the server")
	}
}

// FuzzForeign tries what reads the words of a server.
func FuzzForeign(f *testing.F) {
	f.Add("bytes 0-9/10", int64(10), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2", "6")
	f.Add("bytes 5-4/3", int64(0), "x-1", "0")
	f.Add("bytes 0-9223372036854775807/9223372036854775807", int64(-1), "-", "9223372036854775807")
	f.Fuzz(func(t *testing.T, header string, length int64, sum, part string) {
		if from, size, err := storage.ContentRange(header, length); err == nil {
			if from < 0 || length < 1 || from+length > size {
				t.Errorf("%q of %d bytes: from %d of %d", header, length, from, size)
			}
		} else if config.Inert(err.Error()) != err.Error() {
			t.Errorf("the message on %q is not inert: %q", header, err)
		}
		if size, known := storage.PartOf(sum, part, length); known != "" && (size < 1 || (length-1)/size+1 > storage.MostParts) {
			t.Errorf("%q of %s bytes: parts of %d", sum, part, size)
		}
	})
}
