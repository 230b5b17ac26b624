package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"gantry/config"
)

// ExitError is that a command line ended at the far end, but not well.
type ExitError struct {
	Status int    // its exit status, where no signal ended it
	Signal string // that ended it, without SIG
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "signal " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// Run runs a command line at the far end of the tunnel of that name, by the shell
// of the user there, without a terminal and with nothing to read. What it writes
// goes to out and errs. An *ExitError is how it ended; an error that wraps
// ErrDied says that nobody knows. When ctx ends, Run does; what was started may
// go on there.
func (s *Set) Run(ctx context.Context, name config.Name, line string, out, errs io.Writer) error {
	t := s.byName[name]
	if t == nil {
		return config.Hint(fmt.Errorf("the configuration has no tunnel %q", config.Inert(string(name))), "write it under tunnels in release.yaml")
	}
	if err := t.execute(ctx, line, out, errs); err != nil {
		return fmt.Errorf("run at the far end of tunnel %s: %w", name, err)
	}
	return nil
}

func (t *tunnel) execute(ctx context.Context, line string, out, errs io.Writer) error {
	for again := false; ; again = true {
		l, err := t.up(ctx)
		if err != nil {
			return err
		}
		session, err := l.session(ctx)
		if errors.Is(err, ErrDied) && !again && t.life.Err() == nil {
			continue // it was dead when it was asked, so nothing was started
		}
		if err != nil {
			return err
		}
		return l.wait(ctx, session, line, &gate{to: out}, &gate{to: errs})
	}
}

// session opens one, within the time that a connection through the tunnel has.
func (l *link) session(ctx context.Context) (*ssh.Session, error) {
	ctx, stop := context.WithTimeoutCause(ctx, openIn, fmt.Errorf("no session within %s", openIn))
	defer stop()
	type opened struct {
		session *ssh.Session
		err     error
	}
	answer := make(chan opened)
	if !l.tunnel.own(func() {
		s, err := l.client.NewSession()
		select {
		case answer <- opened{s, err}:
		case <-ctx.Done():
			if s != nil {
				s.Close()
			}
		}
	}) {
		return nil, errClosed
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case o := <-answer:
		var refused *ssh.OpenChannelError
		switch {
		case o.err == nil:
			return o.session, nil
		case errors.As(o.err, &refused):
			return nil, config.Hint(fmt.Errorf("the server opens no session: %s", short(refused)), "the account may be for forwarding alone: see authorized_keys there")
		}
		if err := l.alive(); err != nil {
			return nil, err
		}
		return nil, errors.New(short(o.err))
	}
}

// wait runs the line and waits for its end, or for that of ctx. A server may hold
// a session open until what runs in it has ended, so that is not waited for.
func (l *link) wait(ctx context.Context, session *ssh.Session, line string, out, errs *gate) error {
	session.Stdout, session.Stderr = out, errs
	defer out.shut()
	defer errs.shut()
	ended := make(chan error, 1)
	if !l.tunnel.own(func() {
		err := session.Start(line)
		if err == nil {
			err = session.Wait()
		}
		ended <- err
	}) {
		session.Close()
		return errClosed
	}
	var err error
	select {
	case err = <-ended:
	case <-l.dead:
		err = l.why
	case <-ctx.Done():
		l.tunnel.own(func() { session.Close() }) // a connection that hangs must not hold us
		return context.Cause(ctx)
	}
	session.Close()
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &ExitError{Status: exit.ExitStatus(), Signal: config.Inert(exit.Signal())}
	case errors.As(err, &missing), closed(l.dead):
		return fmt.Errorf("%w: it was not told how it ended", ErrDied)
	}
	if why := l.alive(); why != nil {
		return why
	}
	return errors.New(short(err))
}

// gate hands on what is written until it is shut.
type gate struct {
	mu   sync.Mutex
	to   io.Writer
	over bool
}

// Write hands on.
func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return 0, io.ErrClosedPipe
	}
	return g.to.Write(b)
}

// shut lets nothing through any more, and waits for what is being written.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}
