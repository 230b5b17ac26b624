package tunnel_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gantry/config"
	"gantry/storage/tunnel"
)

// nothingLeft fails the test when a goroutine of a tunnel still runs.
func nothingLeft(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for g := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(g, "gantry/storage/tunnel.(") {
			t.Errorf("left running:\n%s", g)
		}
	}
}

func TestForward(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	to := listen(t, echo)
	set := b.set(b.tunnel("bastion", s.addr()))
	if got := fmt.Sprint(set.States()); got != "[off]" || s.logins.Load() != 0 {
		t.Errorf("before anything: %s", got)
	}
	dial := set.Dial("bastion")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			c, err := dial(t.Context(), "tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if c.RemoteAddr().String() != to {
				t.Errorf("remote address %s", c.RemoteAddr())
			}
			sent := make([]byte, 3<<20)
			rand.Read(sent)
			wg.Go(func() {
				if _, err := c.Write(sent); err != nil {
					t.Error(err)
				}
			})
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
				t.Errorf("other bytes came back, %v", err)
			}
		})
	}
	wg.Wait()
	if got := fmt.Sprint(set.States()); got != "[up]" {
		t.Errorf("afterwards: %s", got)
	}
	if s.logins.Load() != 1 || s.opened.Load() != 20 || s.strange.Load() != 0 {
		t.Errorf("%d logins, %d connections, %d of something else", s.logins.Load(), s.opened.Load(), s.strange.Load())
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	_, err := dial(t.Context(), "tcp", to)
	wants(t, err, "was closed")
	if got := fmt.Sprint(set.States()); got != "[off]" {
		t.Errorf("when closed: %s", got)
	}
}

// A connection behaves as one of net does.
func TestConn(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	dial := b.set(b.tunnel("bastion", s.addr())).Dial("bastion")

	said := listen(t, func(c net.Conn) { io.WriteString(c, "bye") })
	c, err := dial(t.Context(), "tcp", said)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("wrote to a server that has gone")
	}
	c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read when closed: %v", err)
	}

	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	if c, err = dial(t.Context(), "tcp", silent); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	var late net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("after the deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	read := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read that Close ended: %v", err)
	}

	got := make(chan string, 1) // what was written before Close goes out
	sink := listen(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		got <- fmt.Sprint(len(b))
	})
	if c, err = dial(t.Context(), "tcp", sink); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 5<<20)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := <-got; n != fmt.Sprint(5<<20) {
		t.Errorf("%s bytes arrived", n)
	}
}

func TestHTTP(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	dial := b.set(b.tunnel("bastion", s.addr())).Dial("bastion")
	body := bytes.Repeat([]byte("0123456789"), 1<<20)
	stuck := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/get":
			w.Write(body)
		case "/put":
			got, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, len(got))
		default:
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-stuck
		}
	}))
	defer web.Close()
	defer close(stuck)
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Get(web.URL + "/get")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if resp, err = client.Post(web.URL+"/put", "", bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		got, _ = io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != fmt.Sprint(len(body)) {
			t.Fatalf("%s bytes arrived", got)
		}
	}
	if s.opened.Load() != 1 {
		t.Errorf("%d connections for requests one after another", s.opened.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/stuck", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	resp.Body.Close()
}

// What the far end does not open is told in words, and harmless.
func TestDenied(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	set := b.set(b.tunnel("bastion", s.addr()))
	dial := set.Dial("bastion")
	_, err := dial(t.Context(), "tcp", "127.0.0.1:1")
	wants(t, err, `cannot reach it: Connection refused \x1b[31m`)
	_, err = dial(t.Context(), "tcp", "nonsense")
	wants(t, err, "missing port")
	_, err = dial(t.Context(), "tcp", "h:http")
	wants(t, err, "invalid syntax")
	_, err = dial(t.Context(), "udp", "h:1")
	wants(t, err, "unknown network udp")
	s.kill()
	s.mu.Lock()
	s.refuse = &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "open failed"}
	s.mu.Unlock()
	_, err = dial(t.Context(), "tcp", "127.0.0.1:1")
	wants(t, err, "does not forward there: open failed")
	if !strings.Contains(config.HintOf(err), "AllowTcpForwarding") {
		t.Errorf("hint %q", config.HintOf(err))
	}
	if got := fmt.Sprint(set.States()); got != "[up]" {
		t.Errorf("state %s", got)
	}
	_, err = set.Dial("other")(t.Context(), "tcp", "127.0.0.1:1")
	wants(t, err, `no tunnel "other"`)
}

// A tunnel that dies does not look like the end of what was read, and the next
// dial opens it anew.
func TestDies(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	endless := listen(t, func(c net.Conn) {
		for block := make([]byte, 1<<16); ; {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	to := listen(t, echo)
	set := b.set(b.tunnel("bastion", s.addr()))
	dial := set.Dial("bastion")
	for round := range 5 {
		c, err := dial(t.Context(), "tcp", endless)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
			t.Fatal(err)
		}
		s.kill()
		_, err = io.Copy(io.Discard, c)
		if !errors.Is(err, tunnel.ErrDied) {
			t.Fatalf("round %d: reading ended with %v", round, err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, tunnel.ErrDied) {
			t.Errorf("writing ended with %v", err)
		}
		c.Close()
		until(t, "the state", func() bool {
			return strings.HasPrefix(set.States()[0].String(), "down: the tunnel died: ")
		})
		c, err = dial(t.Context(), "tcp", to)
		talks(t, c, err)
	}
	// It may also die while nobody reads, and be found dead by the next dial.
	for range 20 {
		s.kill()
		c, err := dial(t.Context(), "tcp", to)
		talks(t, c, err)
	}
}

func TestServerComesBack(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	to := listen(t, echo)
	set := b.set(b.tunnel("bastion", s.addr()))
	dial := set.Dial("bastion")
	c, err := dial(t.Context(), "tcp", to)
	talks(t, c, err)
	s.l.Close()
	s.kill()
	until(t, "a refusal", func() bool {
		_, err = dial(t.Context(), "tcp", to)
		return err != nil
	})
	wants(t, err, "connection refused")
	if got := set.States()[0]; got.Word != tunnel.Down || !strings.Contains(got.Reason, "connection refused") {
		t.Errorf("state %s", got)
	}
	if s.l, err = net.Listen("tcp", s.addr()); err != nil {
		t.Skipf("the port is taken: %v", err)
	}
	s.running.Go(s.accept)
	c, err = dial(t.Context(), "tcp", to)
	talks(t, c, err)
}

// A server that says nothing any more is dead, after a while.
func TestSilence(t *testing.T) {
	tunnel.Impatient(t, time.Minute, time.Minute, 20*time.Millisecond, time.Second)
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	set := b.set(b.tunnel("bastion", s.addr()))
	quiet := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c, err := set.Dial("bastion")(t.Context(), "tcp", quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.hung.Store(true)
	_, err = c.Read(make([]byte, 1))
	if !errors.Is(err, tunnel.ErrDied) {
		t.Errorf("got %v", err)
	}
	wants(t, err, "nothing was heard of the server for 1s")
}

// One that does nothing, but answers, lives.
func TestIdle(t *testing.T) {
	tunnel.Impatient(t, time.Minute, time.Minute, time.Millisecond, time.Minute)
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	set := b.set(b.tunnel("bastion", s.addr()))
	to := listen(t, echo)
	dial := set.Dial("bastion")
	c, err := dial(t.Context(), "tcp", to)
	talks(t, c, err)
	time.Sleep(100 * time.Millisecond)
	c, err = dial(t.Context(), "tcp", to)
	talks(t, c, err)
	if s.logins.Load() != 1 {
		t.Errorf("%d logins", s.logins.Load())
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	set := b.set(b.tunnel("bastion", silent))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := set.Dial("bastion")(ctx, "tcp", "h:1")
		failed <- err
	}()
	until(t, "connecting", func() bool { return set.States()[0].Word == tunnel.Connecting })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go func() {
		_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
		failed <- err
	}()
	set.Close()
	if err := <-failed; err == nil {
		t.Error("dialled through what was closed")
	}
}

func TestConnectTimeout(t *testing.T) {
	tunnel.Impatient(t, 50*time.Millisecond, time.Minute, time.Minute, time.Minute)
	b := newBench(t)
	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	set := b.set(b.tunnel("bastion", silent))
	_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
	wants(t, err, "no answer within 50ms")
}

// A host behind the tunnel that does not answer keeps nobody waiting for ever.
func TestOpenTimeout(t *testing.T) {
	tunnel.Impatient(t, time.Minute, 50*time.Millisecond, time.Minute, time.Minute)
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	s.stalled.Store(true)
	set := b.set(b.tunnel("bastion", s.addr()))
	_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
	wants(t, err, "did not get an answer there within 50ms")
	if got := set.States()[0].String(); got != "up" {
		t.Errorf("state %s", got)
	}
}

// Who dials soon after a failure waits, but no longer than it wants to.
func TestBackoff(t *testing.T) {
	tunnel.Slow(t)
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	s.l.Close()
	set := b.set(b.tunnel("bastion", s.addr()))
	_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
	wants(t, err, "connection refused")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = set.Dial("bastion")(ctx, "tcp", "h:1")
	wants(t, err, "connection refused, and it is too early to try again: context deadline exceeded")
}

func TestVia(t *testing.T) {
	b := newBench(t)
	jump, inner := serve(t, b.user), serve(t, b.user)
	b.knows(jump.addr(), jump.host)
	b.knows(inner.addr(), inner.host)
	to := listen(t, echo)
	far := b.tunnel("inner", inner.addr())
	far.Via = "jump"
	set := b.set(far, b.tunnel("jump", jump.addr()))
	dial := set.Dial("inner")
	c, err := dial(t.Context(), "tcp", to)
	talks(t, c, err)
	if jump.opened.Load() != 1 || inner.opened.Load() != 1 {
		t.Errorf("%d through the jump host, %d through the other", jump.opened.Load(), inner.opened.Load())
	}
	if c, err = dial(t.Context(), "tcp", to); err != nil {
		t.Fatal(err)
	}
	jump.kill()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, tunnel.ErrDied) {
		t.Errorf("the jump host died: %v", err)
	}
	c, err = dial(t.Context(), "tcp", to)
	talks(t, c, err)
	if got := fmt.Sprint(set.States()); got != "[up up]" {
		t.Errorf("states %s", got)
	}
}

// The key of a jump host does not vouch for the host behind it.
func TestViaUnknown(t *testing.T) {
	b := newBench(t)
	jump, inner := serve(t, b.user), serve(t, b.user)
	b.knows(jump.addr(), jump.host)
	far := b.tunnel("inner", inner.addr())
	far.Via = "jump"
	_, err := b.set(b.tunnel("jump", jump.addr()), far).Dial("inner")(t.Context(), "tcp", "h:1")
	wants(t, err, inner.addr()+" is not in ")
	if inner.logins.Load() != 0 {
		t.Error("logged in")
	}
}

func TestNewSet(t *testing.T) {
	for words, all := range map[string][]config.Tunnel{
		"goes via b, which the configuration does not have": {{Name: "a", Host: "h", Via: "b"}},
		"goes via itself":     {{Name: "a", Host: "h", Via: "b"}, {Name: "b", Host: "h", Via: "c"}, {Name: "c", Host: "h", Via: "b"}},
		"is configured twice": {{Name: "a", Host: "h"}, {Name: "a", Host: "h"}},
		"has no host":         {{Name: "a"}},
	} {
		_, err := tunnel.NewSet(&config.Release{Tunnels: all})
		wants(t, err, words)
	}
}

// A server may say anything.
func TestBadServers(t *testing.T) {
	b := newBench(t)
	for name, f := range map[string]func(net.Conn){
		"closes": func(net.Conn) {},
		"garbage": func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-\x1b[31m\r\n"+strings.Repeat("\xff\x1b", 5000))
			io.Copy(io.Discard, c)
		},
		"http": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"endless": func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, strings.Repeat("\x1b x", 1000)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, f)
			set := b.set(b.tunnel("bastion", addr))
			_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
			wants(t, err, "connect to "+addr)
			if len(err.Error()) > 600 {
				t.Errorf("a long error: %d bytes", len(err.Error()))
			}
			wants(t, errors.New(set.States()[0].String()), "down: ")
		})
	}
}

func TestMain(m *testing.M) {
	os.Unsetenv("SSH_AUTH_SOCK")
	os.Exit(m.Run())
}
