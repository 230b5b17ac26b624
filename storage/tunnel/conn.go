package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/crypto/ssh"

	"gantry/config"
)

// open asks the far end for a connection to addr.
func (l *link) open(ctx context.Context, addr string) (net.Conn, error) {
	ctx, stop := context.WithTimeoutCause(ctx, openIn, fmt.Errorf("%s did not get an answer there within %s", l.tunnel.Host, openIn))
	defer stop()
	type opened struct {
		net.Conn
		err error
	}
	got := make(chan opened)
	asked := l.tunnel.own(func() {
		c, err := l.client.Dial("tcp", addr)
		select {
		case got <- opened{c, err}:
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
		}
	})
	if !asked {
		return nil, errClosed
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case o := <-got:
		if o.err != nil {
			return nil, l.denied(o.err)
		}
		return l.pump(o.Conn, addr)
	}
}

// denied says in words why the far end opened no connection.
func (l *link) denied(err error) error {
	var no *ssh.OpenChannelError
	var syntax *net.AddrError
	switch {
	case errors.As(err, &no) && no.Reason == ssh.Prohibited:
		return config.Hint(fmt.Errorf("%s does not forward there: %s", l.tunnel.Host, short(errors.New(no.Message))), "its sshd must allow it: AllowTcpForwarding and PermitOpen, or the options of the key in authorized_keys")
	case errors.As(err, &no):
		return config.Hint(fmt.Errorf("%s cannot reach it: %s", l.tunnel.Host, short(errors.New(no.Message))), "is the server up there, and listening on that address?")
	case errors.As(err, &syntax):
		return err
	}
	if died := l.alive(); died != nil {
		return died
	}
	return errors.New(short(err))
}

// conn is a connection through a tunnel. SSH channels know no deadlines, and
// closing one waits for the other side; so this is one end of a pipe whose other
// end is copied to and from the channel.
type conn struct {
	net.Conn
	from, to place
	shut     atomic.Bool           // by this end
	died     atomic.Pointer[error] // set before the pipe ends
}

// place is an address as it was asked for.
type place string

// Network is always tcp.
func (place) Network() string { return "tcp" }

func (p place) String() string { return string(p) }

// pump moves bytes between a channel and the connection that it returns.
func (l *link) pump(channel net.Conn, addr string) (net.Conn, error) {
	near, far := net.Pipe()
	c := &conn{Conn: near, from: "0.0.0.0:0", to: place(addr)}
	ok := l.tunnel.own(func() { // out
		if _, err := io.Copy(channel, far); err != nil {
			io.Copy(io.Discard, far) // who writes learns of it when reading, as with any connection
		}
		channel.Close()
	}) && l.tunnel.own(func() { // in
		if _, err := io.Copy(far, channel); errors.Is(err, io.ErrClosedPipe) {
			return // this end is done, and the other goroutine closes the channel
		}
		// A channel ends in the same way when the server it leads to has closed and
		// when the tunnel died, which cuts off what was under way.
		if died := l.alive(); died != nil {
			c.died.Store(&died)
		}
		far.Close()
	})
	if !ok {
		far.Close()
		channel.Close()
		return nil, errClosed
	}
	return c, nil
}

// Read reads what the far end sent.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explain("read", err)
}

// Write sends to the far end.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain("write", err)
}

// Close ends the connection. What was written before still goes out.
func (c *conn) Close() error {
	c.shut.Store(true)
	return c.Conn.Close()
}

// LocalAddr is unknown: the far end chose it.
func (c *conn) LocalAddr() net.Addr { return c.from }

// RemoteAddr is what was dialled.
func (c *conn) RemoteAddr() net.Addr { return c.to }

func (c *conn) explain(op string, err error) error {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
	switch died := c.died.Load(); {
	case !ended:
		return err
	case c.shut.Load():
		err = net.ErrClosed
	case died != nil:
		err = *died
	case err == io.EOF:
		return err
	default:
		err = syscall.EPIPE
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: c.to, Err: err}
}
