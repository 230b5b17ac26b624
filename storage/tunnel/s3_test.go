package tunnel_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"log"
	"net/http/httptest"
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
	web := httptest.NewUnstartedServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.Start()
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
	var moved atomic.Int64 // bytes; the tunnel dies with every 16 MiB
	count := func(n int) {
		const each = 16 << 20
		if at := moved.Add(int64(n)); at/each != (at-int64(n))/each {
			s.kill()
		}
	}
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
