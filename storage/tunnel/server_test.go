package tunnel_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"gantry/config"
	"gantry/storage/tunnel"
)

// server is an SSH server that forwards.
type server struct {
	t       *testing.T
	l       net.Listener
	config  *ssh.ServerConfig
	host    ssh.PublicKey // its ed25519 key
	other   ssh.PublicKey // its ecdsa key
	opened  atomic.Int64  // connections that it forwarded
	logins  atomic.Int64
	strange atomic.Int64 // channels and requests that no tunnel needs
	hung    atomic.Bool  // hears and says nothing any more
	stalled atomic.Bool  // opens nothing, and does not say so
	refuse  *ssh.OpenChannelError

	running sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool
}

func signer(t *testing.T, key any, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, signer(t, key, err)
}

// serve starts a server that lets in who has one of the keys.
func serve(t *testing.T, allowed ...ssh.PublicKey) *server {
	t.Helper()
	s := &server{t: t, conns: map[net.Conn]bool{}, config: &ssh.ServerConfig{}}
	s.config.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, a := range allowed {
			if c.User() == "deploy" && bytes.Equal(a.Marshal(), key.Marshal()) {
				return nil, nil
			}
		}
		return nil, errors.New("no")
	}
	_, host := newKey(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other := signer(t, key, err)
	s.config.AddHostKey(other)
	s.config.AddHostKey(host)
	s.host, s.other = host.PublicKey(), other.PublicKey()
	if s.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.running.Go(s.accept)
	t.Cleanup(func() {
		s.l.Close()
		s.kill()
		s.running.Wait()
	})
	return s
}

func (s *server) addr() string { return s.l.Addr().String() }

// kill ends every connection there is.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *server) accept() {
	for {
		raw, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[raw] = true
		s.mu.Unlock()
		s.running.Go(func() {
			defer func() {
				raw.Close()
				s.mu.Lock()
				delete(s.conns, raw)
				s.mu.Unlock()
			}()
			s.talk(raw)
		})
	}
}

func (s *server) talk(raw net.Conn) {
	s.mu.Lock()
	conf, refuse := *s.config, s.refuse
	s.mu.Unlock()
	c, chans, requests, err := ssh.NewServerConn(deaf{raw, s}, &conf)
	if err != nil {
		return
	}
	defer c.Close()
	s.logins.Add(1)
	s.running.Go(func() {
		for r := range requests {
			if r.Type != "keepalive@openssh.com" {
				s.strange.Add(1)
			}
			r.Reply(false, nil)
		}
	})
	for n := range chans {
		if n.ChannelType() != "direct-tcpip" {
			s.strange.Add(1)
			n.Reject(ssh.UnknownChannelType, "no")
			continue
		}
		if s.stalled.Load() {
			continue
		}
		if refuse != nil {
			n.Reject(refuse.Reason, refuse.Message)
			continue
		}
		var to struct {
			Host     string
			Port     uint32
			From     string
			FromPort uint32
		}
		if err := ssh.Unmarshal(n.ExtraData(), &to); err != nil {
			n.Reject(ssh.ConnectionFailed, "bad request")
			continue
		}
		s.running.Go(func() { s.forward(n, net.JoinHostPort(to.Host, fmt.Sprint(to.Port))) })
	}
}

func (s *server) forward(n ssh.NewChannel, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		n.Reject(ssh.ConnectionFailed, "Connection refused \x1b[31m")
		return
	}
	defer far.Close()
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	s.opened.Add(1)
	s.running.Go(func() { ssh.DiscardRequests(requests) })
	s.running.Go(func() {
		io.Copy(far, ch)
		far.(*net.TCPConn).CloseWrite()
	})
	io.Copy(ch, far)
	ch.Close()
}

// deaf is a connection of a server that may fall silent.
type deaf struct {
	net.Conn
	s *server
}

func (d deaf) Read(b []byte) (int, error) {
	for {
		n, err := d.Conn.Read(b)
		if err != nil || !d.s.hung.Load() {
			return n, err
		}
	}
}

func (d deaf) Write(b []byte) (int, error) {
	if d.s.hung.Load() {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// bench is a user's side: a directory with a key and known hosts.
type bench struct {
	t       *testing.T
	dir     string
	user    ssh.PublicKey
	private ed25519.PrivateKey
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	key, s := newKey(t)
	b.private, b.user = key, s.PublicKey()
	b.write("key", b.pem(key, ""))
	b.write("known_hosts", "")
	return b
}

func (b *bench) pem(key any, pass string) string {
	b.t.Helper()
	var block *pem.Block
	var err error
	if pass == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(pass))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// knows adds keys of hosts to the known ones.
func (b *bench) knows(addr string, keys ...ssh.PublicKey) {
	b.t.Helper()
	text, err := os.ReadFile(b.path("known_hosts"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range keys {
		text = append(text, knownhosts.Line([]string{addr}, k)+"\n"...)
	}
	b.write("known_hosts", string(text))
}

func secret(t *testing.T, ref string) (s config.Secret) {
	t.Helper()
	if ref != "" {
		if err := s.UnmarshalText([]byte(ref)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tunnel is the configuration of a tunnel to a server.
func (b *bench) tunnel(name, host string) config.Tunnel {
	return config.Tunnel{
		Name: config.Name(name), Host: host, User: "deploy",
		Key: secret(b.t, "file:"+b.path("key")), KnownHosts: b.path("known_hosts"),
	}
}

// set makes tunnels that are closed when the test ends; nothing may be left of
// them then.
func (b *bench) set(all ...config.Tunnel) *tunnel.Set {
	b.t.Helper()
	s, err := tunnel.NewSet(&config.Release{Tunnels: all})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
		nothingLeft(b.t)
	})
	return s
}

// listen starts a TCP server whose every connection goes to f.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

func echo(c net.Conn) { io.Copy(c, c) }

// talks fails the test unless bytes go there and back.
func talks(t *testing.T, c net.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := "hello"
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q, %v", b, err)
	}
}

// wants fails unless err says these words; no words want no error.
func wants(t *testing.T, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("got %v", err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		t.Errorf("got %v, want %q", err, words)
	}
	if err != nil && config.Inert(err.Error()) != err.Error() {
		t.Errorf("the error is not harmless: %q", err)
	}
}

// until waits for what must become true.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 6000 {
		if f() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: not within 30 seconds", what)
}
