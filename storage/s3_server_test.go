package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// onceAt calls f when that many bytes were read of r.
type onceAt struct {
	r    io.Reader
	left int
	f    func()
}

func (o *onceAt) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if o.left -= n; o.left <= 0 && o.f != nil {
		o.f()
		o.f = nil
	}
	return n, err
}

func TestS3ServerDiesWhileWriting(t *testing.T) {
	server := storagetest.NewS3(t)
	s := bucket(t, server.Endpoint())
	body := noise(60 << 20)
	put(t, s, "k", "old", storage.Always)
	// It stays dead.
	r := &onceAt{bytes.NewReader(body), 30 << 20, server.Stop}
	_, err := s.Put(t.Context(), "k", r, storage.Always)
	if err == nil || !strings.Contains(err.Error(), "no answer from "+server.Endpoint()) || config.HintOf(err) == "" {
		t.Errorf("a server that died: %v", err)
	}
	server.Start()
	if got := read(t, s, "k"); got != "old" {
		t.Errorf("it holds %d bytes", len(got))
	}
	// Again, and now it comes back while the rest is on its way.
	patient := must(storage.OpenS3(t.Context(), storage.S3Options{
		Endpoint: server.Endpoint(), Bucket: storagetest.Bucket, PathStyle: true, AccessKey: storagetest.Access, SecretKey: storagetest.Secret,
	}))(t)
	defer patient.Close()
	var restart sync.WaitGroup
	r = &onceAt{bytes.NewReader(body), 30 << 20, func() {
		server.Stop()
		restart.Go(func() { time.Sleep(300 * time.Millisecond); server.Start() })
	}}
	must(patient.Put(t.Context(), "k", r, storage.Always))(t)
	restart.Wait()
	if got := read(t, s, "k"); got != string(body) {
		t.Errorf("it holds %d bytes", len(got))
	}
}

func TestS3ServerDiesWhileReading(t *testing.T) {
	server := storagetest.NewS3(t)
	s := must(storage.OpenS3(t.Context(), storage.S3Options{
		Endpoint: server.Endpoint(), Bucket: storagetest.Bucket, PathStyle: true, AccessKey: storagetest.Access, SecretKey: storagetest.Secret,
	}))(t)
	defer s.Close()
	body := noise(60 << 20)
	must(s.Put(t.Context(), "k", bytes.NewReader(body), storage.Always))(t)
	r, _, err := s.Open(t.Context(), "k", storage.Range{})
	ok(t, err)
	defer r.Close()
	var restart sync.WaitGroup
	got := must(io.ReadAll(&onceAt{r, 20 << 20, func() {
		server.Stop()
		restart.Go(func() { time.Sleep(300 * time.Millisecond); server.Start() })
	}}))(t)
	restart.Wait()
	if !bytes.Equal(got, body) {
		t.Errorf("%d bytes came", len(got))
	}
}

func TestS3JournalOfTwo(t *testing.T) {
	server := storagetest.NewS3(t)
	const each = 25
	var all sync.WaitGroup
	var lost atomic.Int64
	for _, who := range []string{"ann", "ben"} {
		all.Go(func() {
			s := bucket(t, server.Endpoint())
			j, err := storage.OpenJournal(context.Background(), s, "journal")
			for n := 0; err == nil && n < each; {
				_, err = j.Append(context.Background(), storage.Envelope{Actor: who, Host: "tower", Type: "tick", Data: []byte(fmt.Sprintf(`{"n":%d}`, n))})
				if errors.Is(err, storage.ErrConflict) {
					lost.Add(1)
					_, err = j.News(context.Background())
					continue
				}
				n++
			}
			if err != nil {
				t.Errorf("%s: %v", who, err)
			}
		})
	}
	all.Wait()
	j := must(storage.OpenJournal(t.Context(), bucket(t, server.Endpoint()), "journal"))(t)
	report := must(j.Verify(t.Context()))(t)
	if report.Entries != 2*each || len(report.Damage) > 0 {
		t.Errorf("the report: %+v", report)
	}
	t.Logf("%d appends met another", lost.Load())
}

// TestS3ManyAtOnce writes more streams at once than there are slots.
func TestS3ManyAtOnce(t *testing.T) {
	s := bucket(t, storagetest.NewS3(t).Endpoint())
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			body := noise(9<<20 + i)
			key := fmt.Sprint("k", i)
			if _, err := s.Put(context.Background(), key, stream{bytes.NewReader(body)}, storage.IfAbsent); err != nil {
				t.Error(err)
				return
			}
			r, _, err := s.Open(context.Background(), key, storage.Range{})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s: %d bytes came, %v", key, len(got), err)
			}
		})
	}
	all.Wait()
}

// TestS3WithoutETag reads a file that was laid behind the server.
func TestS3WithoutETag(t *testing.T) {
	server := storagetest.NewS3(t)
	s := bucket(t, server.Endpoint())
	ok(t, os.WriteFile(server.Root()+"/"+storagetest.Bucket+"/laid", []byte("text"), 0o644))
	is := must(s.Stat(t.Context(), "laid"))(t)
	r, opened, err := s.Open(t.Context(), "laid", storage.Range{})
	ok(t, err)
	defer r.Close()
	if got := string(must(io.ReadAll(r))(t)); got != "text" || is.Version == "" || opened.Version != is.Version {
		t.Errorf("%q: Stat says %+v, Open %+v", got, is, opened)
	}
	for o, err := range s.List(t.Context(), "") {
		ok(t, err)
		if o.Version != is.Version || o.Size != 4 {
			t.Errorf("Stat says %+v, List %+v", is, o)
		}
	}
	if _, err := s.Put(t.Context(), "laid", strings.NewReader("new"), storage.IfMatch(is.Version)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("IfMatch of what cannot be compared: %v", err)
	}
}
