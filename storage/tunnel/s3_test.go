package tunnel_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"gantry/storage"
)

// A store behind a tunnel that dies again and again takes and gives whole
// objects.
func TestS3(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	backend := s3mem.New()
	if err := backend.CreateBucket("staging"); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(gofakes3.New(backend).Server())
	defer web.Close()
	store, err := storage.OpenS3(t.Context(), storage.S3Options{
		Endpoint: web.URL, Region: "us-east-1", Bucket: "staging", PathStyle: true,
		AccessKey: "key", SecretKey: "secret", Dial: b.set(b.tunnel("bastion", s.addr())).Dial("bastion"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sent := make([]byte, 24<<20)
	rand.Read(sent)
	var moved atomic.Int64 // bytes on the servers' side of the tunnel, which dies after every 16 MiB
	var done atomic.Bool
	var killer sync.WaitGroup
	killer.Go(func() {
		for next := int64(16 << 20); !done.Load(); {
			if moved.Load() > next && next < 64<<20 {
				s.kill()
				next += 16 << 20
			}
		}
	})
	defer killer.Wait()
	defer done.Store(true)
	count := func(n int) { moved.Add(int64(n)) }
	o, err := store.Put(t.Context(), "core/a.tar", counting{bytes.NewReader(sent), count}, storage.IfAbsent)
	if err != nil {
		t.Fatal(err)
	}
	r, got, err := store.Open(t.Context(), "core/a.tar", storage.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, counting{r, count}); err != nil {
		t.Fatal(err)
	}
	if got.Version != o.Version || [32]byte(h.Sum(nil)) != sha256.Sum256(sent) {
		t.Error("other bytes came back")
	}
	if s.logins.Load() < 2 {
		t.Errorf("%d logins: the tunnel did not die", s.logins.Load())
	}
}

// counting is a reader that counts.
type counting struct {
	io.Reader
	count func(int)
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.count(n)
	return n, err
}
