package tunnel_test

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"gantry/config"
	"gantry/storage/tunnel"
)

func TestHosts(t *testing.T) {
	for name, tc := range map[string]struct {
		known func(b *bench, s *server)
		words string
		hint  string
	}{
		"known":            {func(b *bench, s *server) { b.knows(s.addr(), s.host) }, "", ""},
		"by another kind":  {func(b *bench, s *server) { b.knows(s.addr(), s.other) }, "", ""},
		"by both":          {func(b *bench, s *server) { b.knows(s.addr(), s.other, s.host) }, "", ""},
		"hashed":           {hashed, "", ""},
		"by authority":     {certified(ssh.HostCert, "127.0.0.1", time.Hour), "", ""},
		"not as a user":    {certified(ssh.UserCert, "127.0.0.1", time.Hour), "host certificate", "administrator"},
		"another's":        {certified(ssh.HostCert, "elsewhere", time.Hour), "host certificate", "administrator"},
		"expired":          {certified(ssh.HostCert, "127.0.0.1", -time.Hour), "expired", "administrator"},
		"unknown":          {func(*bench, *server) {}, "; its key is ", "ssh-keygen -lf"},
		"another port":     {func(b *bench, s *server) { b.knows("127.0.0.1:22", s.host) }, "is not in", "ssh-keygen -lf"},
		"changed":          {func(b *bench, s *server) { b.knows(s.addr(), b.user) }, "CHANGED: it is ssh-ed25519 SHA256:", "somebody else may answer"},
		"changed in kind":  {onlyECDSA, "shows no key of a type that", "somebody else answers"},
		"revoked":          {func(b *bench, s *server) { b.knows(s.addr(), s.host); b.mark("@revoked", s.host) }, "IS REVOKED", "somebody else may answer"},
		"no file":          {func(b *bench, _ *server) { os.Remove(b.path("known_hosts")) }, "is not there", "connect once with ssh"},
		"a directory":      {func(b *bench, _ *server) { os.Remove(b.path("known_hosts")); os.Mkdir(b.path("known_hosts"), 0o700) }, "is no file of known hosts", ""},
		"a broken line":    {func(b *bench, s *server) { b.write("known_hosts", "h ssh-ed25519 AAAA\n") }, "known_hosts:1", "mend or remove"},
		"a negated host":   {func(b *bench, s *server) { b.write("known_hosts", "!"+knownhosts.Line([]string{s.addr()}, s.host)) }, "is not in", "ssh-keygen -lf"},
		"one of two right": {func(b *bench, s *server) { b.knows(s.addr(), b.user, s.host) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := serve(t, b.user)
			tc.known(b, s)
			to := listen(t, echo)
			set := b.set(b.tunnel("bastion", s.addr()))
			for range 2 { // nor does asking again help
				c, err := set.Dial("bastion")(t.Context(), "tcp", to)
				wants(t, err, tc.words)
				if err != nil && !strings.Contains(config.HintOf(err), tc.hint) {
					t.Errorf("hint %q", config.HintOf(err))
				}
				if err == nil {
					talks(t, c, nil)
				}
			}
			if tc.words != "" && s.logins.Load() != 0 {
				t.Error("logged in")
			}
		})
	}
}

// mark adds a line about a key with a marker.
func (b *bench) mark(marker string, key ssh.PublicKey) {
	text, err := os.ReadFile(b.path("known_hosts"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("known_hosts", string(text)+marker+" * "+string(ssh.MarshalAuthorizedKey(key)))
}

func hashed(b *bench, s *server) {
	b.write("known_hosts", knownhosts.HashHostname(knownhosts.Normalize(s.addr()))+" "+string(ssh.MarshalAuthorizedKey(s.host)))
}

// onlyECDSA knows the host by a key of a kind that it does not have any more.
func onlyECDSA(b *bench, s *server) {
	_, fresh := newKey(b.t)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.config
	s.config = &ssh.ServerConfig{PublicKeyCallback: old.PublicKeyCallback}
	s.config.AddHostKey(fresh)
	b.knows(s.addr(), s.other)
}

// certified knows an authority, and gives the host a certificate of it.
func certified(kind uint32, principal string, lasts time.Duration) func(*bench, *server) {
	return func(b *bench, s *server) {
		_, authority := newKey(b.t)
		_, key := newKey(b.t)
		cert := &ssh.Certificate{
			Key: key.PublicKey(), CertType: kind, ValidPrincipals: []string{principal},
			ValidAfter: uint64(time.Now().Add(-2 * time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(lasts).Unix()),
		}
		if err := cert.SignCert(rand.Reader, authority); err != nil {
			b.t.Fatal(err)
		}
		host, err := ssh.NewCertSigner(cert, key)
		if err != nil {
			b.t.Fatal(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.config.AddHostKey(host)
		b.write("known_hosts", "  @cert-authority "+knownhosts.Line([]string{s.addr()}, authority.PublicKey())+"\n")
	}
}

// The default is the user's own file.
func TestOwnKnownHosts(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	t.Setenv("HOME", b.dir)
	c := b.tunnel("bastion", s.addr())
	c.KnownHosts = ""
	written := c
	written.Name, written.KnownHosts = "written", "~/.ssh/known_hosts"
	set := b.set(c, written)
	_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
	wants(t, err, b.path(".ssh/known_hosts")+" is not there")
	if err := os.Mkdir(b.path(".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.path("known_hosts"), b.path(".ssh/known_hosts")); err != nil {
		t.Fatal(err)
	}
	to := listen(t, echo)
	for _, name := range []config.Name{"bastion", "written"} {
		until(t, "the file is seen", func() bool {
			conn, err := set.Dial(name)(t.Context(), "tcp", to)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

func TestUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *bench, c *config.Tunnel)
		words  string
		hint   string
	}{
		"key": {func(*bench, *config.Tunnel) {}, "", ""},
		"wrong key": {func(b *bench, _ *config.Tunnel) {
			key, _ := newKey(b.t)
			b.write("key", b.pem(key, ""))
		}, "does not let deploy in with SHA256:", "authorized_keys"},
		"wrong user": {func(_ *bench, c *config.Tunnel) { c.User = "root" }, "does not let root in with SHA256:", "authorized_keys"},
		"passphrase": {func(b *bench, c *config.Tunnel) {
			b.write("key", b.pem(b.private, "hunter2"))
			b.write("pass", "hunter2\n")
			c.Passphrase = secret(b.t, "file:"+b.path("pass"))
		}, "", ""},
		"wrong passphrase": {func(b *bench, c *config.Tunnel) {
			b.write("key", b.pem(b.private, "hunter2"))
			b.write("pass", "hunter3\n")
			c.Passphrase = secret(b.t, "file:"+b.path("pass"))
		}, "is not the passphrase of the key", "ssh-keygen"},
		"no passphrase":  {func(b *bench, _ *config.Tunnel) { b.write("key", b.pem(b.private, "hunter2")) }, "has a passphrase", "passphrase of the tunnel"},
		"placeholder":    {func(b *bench, _ *config.Tunnel) { b.write("key", "hunter2: put the key here\n") }, "the key file:", "ssh-keygen"},
		"no file":        {func(b *bench, _ *config.Tunnel) { os.Remove(b.path("key")) }, "no such file", ""},
		"no agent":       {func(b *bench, c *config.Tunnel) { c.Key = config.Secret{} }, "SSH_AUTH_SOCK is not set", "ssh-add"},
		"agent":          {withAgent(3, true), "", ""},
		"empty agent":    {withAgent(0, false), "it holds no key", "ssh-add"},
		"agent of other": {withAgent(5, false), "and 2 more", "name the key of the tunnel"},
		"absent agent": {func(b *bench, c *config.Tunnel) {
			c.Key = config.Secret{}
			b.t.Setenv("SSH_AUTH_SOCK", b.path("nothing"))
		}, "reach the SSH agent", "ssh-add"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "")
			b := newBench(t)
			s := serve(t, b.user)
			b.knows(s.addr(), s.host)
			c := b.tunnel("bastion", s.addr())
			tc.change(b, &c)
			b.t = t
			to := listen(t, echo)
			set := b.set(c)
			conn, err := set.Dial("bastion")(t.Context(), "tcp", to)
			wants(t, err, tc.words)
			if err == nil {
				talks(t, conn, nil)
				return
			}
			if !strings.Contains(config.HintOf(err), tc.hint) {
				t.Errorf("hint %q", config.HintOf(err))
			}
			if all := err.Error() + config.HintOf(err) + set.States()[0].String(); strings.Contains(all, "hunter") {
				t.Errorf("it tells a secret: %s", all)
			}
		})
	}
}

// withAgent takes the keys of an agent: so many that nobody knows and, where
// right is set, the user's own.
func withAgent(others int, right bool) func(*bench, *config.Tunnel) {
	return func(b *bench, c *config.Tunnel) {
		ring := agent.NewKeyring()
		add := func(key any) {
			if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
				b.t.Fatal(err)
			}
		}
		for range others {
			key, _ := newKey(b.t)
			add(&key)
		}
		if right {
			add(&b.private)
		}
		dir, err := os.MkdirTemp("", "agent") // a short path: sockets allow no other
		if err != nil {
			b.t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			b.t.Fatal(err)
		}
		var running sync.WaitGroup
		running.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				running.Go(func() {
					agent.ServeAgent(ring, conn)
					conn.Close()
				})
			}
		})
		b.t.Cleanup(func() {
			l.Close()
			running.Wait()
			os.RemoveAll(dir)
		})
		c.Key = config.Secret{}
		b.t.Setenv("SSH_AUTH_SOCK", filepath.Join(dir, "s"))
	}
}

// What an operator must mend is not tried over and over.
func TestLasting(t *testing.T) {
	tunnel.Slow(t)
	b := newBench(t)
	s := serve(t) // lets nobody in
	b.knows(s.addr(), s.host)
	set := b.set(b.tunnel("bastion", s.addr()))
	for range 3 {
		_, err := set.Dial("bastion")(t.Context(), "tcp", "h:1")
		wants(t, err, "does not let deploy in")
	}
}
