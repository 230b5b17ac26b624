package serve

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// How long clients may take.
const (
	headerTime = 10 * time.Second // to send the header of a request
	silence    = 60 * time.Second // to take or send any more bytes
	idleTime   = 2 * time.Minute  // between requests
	endTime    = 10 * time.Second // to finish when the server stops
)

// Run serves h on l until ctx is done, and then lets the requests that are at
// work come to their end, for ten seconds at most. It closes l.
func Run(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler: paced(h), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong is theirs
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	err := s.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	if was := <-ended; !errors.Is(was, http.ErrServerClosed) {
		err = errors.Join(err, was)
	}
	return err
}

// paced ends requests whose client fell silent, however long those take whose
// client goes on.
func paced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Setting a deadline fails on no connection that comes here.
		p := &pace{ResponseWriter: w, control: http.NewResponseController(w)}
		p.body, r.Body = r.Body, p
		p.control.SetWriteDeadline(time.Now().Add(silence))
		h.ServeHTTP(p, r)
		p.control.SetReadDeadline(time.Now().Add(silence)) // what is left of the body is read now
	})
}

// pace is both sides of a request that is at work.
type pace struct {
	http.ResponseWriter
	control *http.ResponseController
	body    io.ReadCloser
}

func (p *pace) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *pace) Read(b []byte) (int, error) {
	p.control.SetReadDeadline(time.Now().Add(silence))
	n, err := p.body.Read(b)
	if err != nil { // from now on reading only tells whether the client is there
		p.control.SetReadDeadline(time.Time{})
	}
	p.control.SetWriteDeadline(time.Now().Add(silence)) // of the answer, after what was read is worked on
	return n, err
}

func (p *pace) Close() error { return p.body.Close() }

func (p *pace) Write(b []byte) (int, error) {
	p.control.SetWriteDeadline(time.Now().Add(silence))
	return p.ResponseWriter.Write(b)
}
