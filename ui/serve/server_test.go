package serve_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"gantry/ui/serve"
)

// TestRun lets a request that is at work come to its end when the server stops.
func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, end := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			close(begun)
			<-end
			if err == nil {
				w.Write(b)
			}
		}))
	}()
	answer := make(chan string, 1)
	go func() {
		res, err := http.Post("http://"+l.Addr().String()+"/", "text/plain", strings.NewReader("all of it"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-begun
	stop()
	close(end)
	if got := <-answer; got != "all of it" {
		t.Errorf("the request at work got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("somebody listens after the end")
	}
}
