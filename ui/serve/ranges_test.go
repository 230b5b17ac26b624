package serve_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"gantry/storage"
	"gantry/ui/serve"
)

// counted counts how often objects of a store are opened.
type counted struct {
	storage.Store
	opens atomic.Int64
}

func (c *counted) Open(ctx context.Context, key string, r storage.Range) (io.ReadCloser, storage.Object, error) {
	c.opens.Add(1)
	return c.Store.Open(ctx, key, r)
}

// TestRanges asks for a thousand pieces of a file at once: that is no thousand
// requests to the store behind.
func TestRanges(t *testing.T) {
	d, err := storage.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	if _, err := d.Put(t.Context(), "a.rpm", bytes.NewReader(big), storage.Always); err != nil {
		t.Fatal(err)
	}
	c := &counted{Store: d}
	s := start(t, serve.Options{Files: serve.Store(c, "")})
	if res, body := s.get(subscribers, "GET", "/a.rpm", "Range", "bytes=1-1"+strings.Repeat(",3-3,9-9", 500)); res.StatusCode != 200 || body != string(big) {
		t.Errorf("%s, %d bytes", res.Status, len(body))
	}
	if n := c.opens.Load(); n > 2 {
		t.Errorf("one request opens the file %d times", n)
	}
	if res, body := s.get(subscribers, "GET", "/a.rpm", "Range", "bytes=0-1,4-5"); res.StatusCode != 206 || !strings.Contains(body, "45") {
		t.Errorf("two pieces: %s %q", res.Status, body)
	}
}
