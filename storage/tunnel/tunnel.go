package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

// Times, which tests shorten.
var (
	connectIn = 20 * time.Second       // address, key exchange and authentication
	openIn    = 30 * time.Second       // a connection through it, once it is up
	askEvery  = 15 * time.Second       // without a sign of life the other side is asked for one
	silence   = 45 * time.Second       // after which the other side is dead
	firstWait = 250 * time.Millisecond // after a first failure; doubled with each
	mostWait  = 15 * time.Second
)

var errClosed = errors.New("the tunnel was closed")

// tunnel is one SSH connection that is there when it is needed.
type tunnel struct {
	config.Tunnel
	cfg   *config.Release
	addr  string // host:port
	reach func(ctx context.Context, network, addr string) (net.Conn, error)

	life    context.Context // of the tunnel; ended by shut
	end     context.CancelFunc
	running sync.WaitGroup // every goroutine of it; see own

	mu     sync.Mutex
	link   *link // the last one, nil before the first
	failed int   // attempts and short lives in a row
	next   time.Time
}

func newTunnel(cfg *config.Release, c config.Tunnel) (*tunnel, error) {
	host, port, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, port = strings.Trim(c.Host, "[]"), "22"
	}
	if host == "" {
		return nil, errors.New("it has no host")
	}
	t := &tunnel{Tunnel: c, cfg: cfg, reach: new(net.Dialer).DialContext}
	t.addr = net.JoinHostPort(strings.ToLower(host), port)
	t.life, t.end = context.WithCancel(context.Background())
	return t, nil
}

// knownHosts is the path of the file that vouches for hosts.
func (t *tunnel) knownHosts() (string, error) {
	path, own := strings.CutPrefix(cmp.Or(t.KnownHosts, "~/.ssh/known_hosts"), "~/")
	if !own {
		return t.cfg.Path(path), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", config.Hint(fmt.Errorf("find the file of known hosts: %w", err), "name it as known_hosts of the tunnel")
	}
	return filepath.Join(home, path), nil
}

// own runs f as a part of the tunnel, which shut waits for. It is false where
// the tunnel is closed.
func (t *tunnel) own(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owned(f)
}

// owned is own for those who hold the lock.
func (t *tunnel) owned(f func()) bool {
	if t.life.Err() != nil {
		return false
	}
	t.running.Go(f)
	return true
}

func (t *tunnel) shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
}

// DialContext opens a connection from the far end to addr.
func (t *tunnel) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := t.dial(ctx, network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s through tunnel %s: %w", config.Inert(addr), t.Name, err)}
	}
	return c, nil
}

func (t *tunnel) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	for again := false; ; again = true {
		l, err := t.up(ctx)
		if err != nil {
			return nil, err
		}
		c, err := l.open(ctx, addr)
		if errors.Is(err, ErrDied) && !again && t.life.Err() == nil {
			continue // it was dead when it was asked, so nothing was sent
		}
		return c, err
	}
}

// up is a link that was up just now. All who ask meanwhile wait for one attempt.
func (t *tunnel) up(ctx context.Context) (*link, error) {
	for {
		l, wait, err := t.current()
		switch {
		case err != nil:
			return nil, err
		case wait > 0:
			pause := time.NewTimer(wait)
			select {
			case <-pause.C:
				continue
			case <-ctx.Done():
				pause.Stop()
				return nil, fmt.Errorf("%w, and it is too early to try again: %w", l.failure(), context.Cause(ctx))
			case <-t.life.Done():
				pause.Stop()
				return nil, errClosed
			}
		}
		select {
		case <-l.settled:
			return l, l.err
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", t.addr, context.Cause(ctx))
		}
	}
}

// current is the link at hand, or a new one where that is over; or else how long
// to wait before there may be one. What trying again cannot mend is told again
// until then.
func (t *tunnel) current() (*link, time.Duration, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.link != nil && !t.link.over() {
		return t.link, 0, nil
	}
	if wait := time.Until(t.next); wait > 0 && t.link != nil {
		if err := t.link.failure(); lasts(err) {
			return nil, 0, err
		}
		return t.link, wait, nil
	}
	l := &link{tunnel: t, settled: make(chan struct{}), dead: make(chan struct{})}
	if !t.owned(l.run) {
		return nil, 0, errClosed
	}
	t.link = l
	return l, 0, nil
}

// count remembers how a link ended: when it failed soon, the next has to wait.
func (t *tunnel) count(lived time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if lived > mostWait {
		t.failed, t.next = 0, time.Time{}
		return
	}
	wait := mostWait
	if t.failed < 10 {
		wait = min(firstWait<<t.failed, mostWait)
	}
	t.failed++
	t.next = time.Now().Add(wait)
}

func (t *tunnel) state() State {
	t.mu.Lock()
	l := t.link
	t.mu.Unlock()
	s := State{Name: t.Name, Word: Off}
	switch {
	case l == nil || t.life.Err() != nil:
	case !l.isSettled():
		s.Word = Connecting
	case !l.over():
		s.Word = Up
	default:
		s.Word, s.Reason = Down, short(l.failure())
	}
	return s
}

// lasting is an error that trying again does not mend.
type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

func lasts(err error) bool { return errors.As(err, new(lasting)) }

// short is an error as it may be shown: what a server wrote may be in it.
func short(err error) string {
	const most = 300
	text := err.Error()
	return config.Inert(strings.ToValidUTF8(text[:min(most, len(text))], ""))
}
