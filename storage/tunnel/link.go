package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"gantry/config"
)

// link is one SSH connection, from the attempt at it to its end.
type link struct {
	tunnel  *tunnel
	settled chan struct{} // closed when it is known whether it came up
	err     error         // why it did not
	client  *ssh.Client   // where it did
	dead    chan struct{} // closed when it is over after it was up
	why     error         // wraps ErrDied
}

func (l *link) isSettled() bool { return closed(l.settled) }

// over tells whether it came to its end.
func (l *link) over() bool { return closed(l.settled) && l.err != nil || closed(l.dead) }

// failure is why it is over.
func (l *link) failure() error {
	if l.err != nil {
		return l.err
	}
	return l.why
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// run is the whole life of a link.
func (l *link) run() {
	ctx, stop := context.WithTimeoutCause(l.tunnel.life, connectIn, fmt.Errorf("no answer within %s", connectIn))
	client, pulse, err := l.tunnel.connect(ctx)
	stop()
	if err != nil {
		l.err = err
		l.tunnel.count(0)
		close(l.settled)
		return
	}
	l.client = client
	since := time.Now()
	close(l.settled)
	l.why = l.watch(pulse)
	l.tunnel.count(time.Since(since))
	close(l.dead)
}

// connect opens an SSH connection, and tells when it last heard of the other
// side.
func (t *tunnel) connect(ctx context.Context) (*ssh.Client, *pulse, error) {
	host, err := t.host()
	if err != nil {
		return nil, nil, err
	}
	user, err := t.user(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer user.close()
	raw, err := t.reach(ctx, "tcp", t.addr)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, nil, fmt.Errorf("connect to %s: %w", t.addr, err)
	}
	p := &pulse{Conn: raw}
	stop := closing(ctx, raw)
	c, chans, requests, err := ssh.NewClientConn(p, t.addr, &ssh.ClientConfig{
		User:              t.User,
		Auth:              []ssh.AuthMethod{user.method},
		HostKeyCallback:   host.check,
		HostKeyAlgorithms: host.algorithms,
	})
	if !stop() { // it is closed already
		if err == nil {
			c.Close()
		}
		return nil, nil, fmt.Errorf("connect to %s: %w", t.addr, context.Cause(ctx))
	}
	if err != nil {
		return nil, nil, t.refusal(err, host, user)
	}
	return ssh.NewClient(c, chans, requests), p, nil
}

// closing closes c when ctx ends. The function that it returns ends that; it is
// false when c was closed.
func closing(ctx context.Context, c io.Closer) func() bool {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.Close()
		close(done)
	})
	return func() bool {
		if stop() {
			return true
		}
		<-done
		return false
	}
}

// refusal says in words why the key exchange or the authentication failed.
func (t *tunnel) refusal(err error, host *host, user *user) error {
	var none *ssh.AlgorithmNegotiationError
	switch text := err.Error(); {
	case host.refused != nil:
		return lasting{host.refused}
	case errors.As(err, &none) && len(host.known) > 0:
		return lasting{host.otherKind(none)}
	case host.vouched && (strings.Contains(text, "unable to authenticate") || strings.Contains(text, "Too many authentication failures")):
		return lasting{user.refused(t)}
	case errors.Is(err, io.EOF):
		return config.Hint(fmt.Errorf("connect to %s: the server closed the connection", t.addr), "it may limit connections, or refuse this address: see its log")
	default:
		return fmt.Errorf("connect to %s: %w", t.addr, errors.New(short(err)))
	}
}

// watch waits for the end of a connection, and ends it when the other side falls
// silent or the tunnel is closed. It returns why.
func (l *link) watch(p *pulse) error {
	ended := make(chan error, 1)
	l.tunnel.running.Go(func() { ended <- l.client.Wait() })
	p.beat()
	tick := time.NewTicker(askEvery / 3)
	defer tick.Stop()
	var why error
	var asking atomic.Bool
	life := l.tunnel.life.Done()
	for {
		select {
		case err := <-ended:
			switch {
			case why != nil:
			case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
				why = errors.New("the server closed the connection")
			case errors.Is(err, ErrDied): // of the tunnel it goes via
				return err
			default:
				why = errors.New(short(err))
			}
			return fmt.Errorf("%w: %w", ErrDied, why)
		case <-life:
			why, life = errClosed, nil
			l.client.Close()
		case <-tick.C:
			quiet := p.quiet()
			if quiet > silence && why == nil {
				why = fmt.Errorf("nothing was heard of the server for %s", silence)
				l.client.Close()
			} else if quiet > askEvery && asking.CompareAndSwap(false, true) {
				l.tunnel.running.Go(func() {
					l.ask()
					asking.Store(false)
				})
			}
		}
	}
}

// ask asks the other side for a sign of life, and waits for it or for the end.
func (l *link) ask() error {
	_, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// alive is nil when the other side answers; otherwise why the link is over.
func (l *link) alive() error {
	if l.ask() == nil {
		return nil
	}
	l.client.Close()
	<-l.dead
	return l.why
}

// pulse is a connection that knows when it was last heard of.
type pulse struct {
	net.Conn
	last atomic.Int64 // nanoseconds since start
}

var start = time.Now()

func (p *pulse) beat() { p.last.Store(int64(time.Since(start))) }

func (p *pulse) quiet() time.Duration { return time.Since(start) - time.Duration(p.last.Load()) }

// Read reads, and takes note.
func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.beat()
	}
	return n, err
}
