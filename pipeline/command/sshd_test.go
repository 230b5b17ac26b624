package command_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	armor "encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
	"gantry/storage/tunnel"
)

const sshd = "/usr/sbin/sshd"

// farm is OpenSSH's server on this machine, behind a wire that can be cut, with
// a home of its own.
type farm struct {
	t    *testing.T
	dir  string // of release.yaml
	home string
	addr string // of the wire
	user string

	mu   sync.Mutex
	ends []net.Conn
	kept string
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		missing = t.Fatalf
	}
	if _, err := os.Stat(sshd); err != nil {
		missing("no sshd: %v", err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // which sshd wants when it is root
			missing("no place for sshd: %v", err)
		}
	}
	f := &farm{t: t, dir: t.TempDir(), home: t.TempDir(), user: me.Username}
	host, mine := f.key("host"), f.key("key")
	f.write("authorized_keys", string(ssh.MarshalAuthorizedKey(mine)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	f.write("sshd_config", fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nStrictModes no\nUsePAM no\nPidFile none\nSetEnv HOME=%s\n",
		at, f.path("host"), f.path("authorized_keys"), f.home))
	log, err := os.Create(f.path("sshd.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", f.path("sshd_config"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		missing("start sshd: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	f.wire(at)
	until(t, "sshd listens", func() bool {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	f.write("known_hosts", knownhosts.Line([]string{f.addr}, host)+"\n")
	return f
}

func (f *farm) path(name string) string { return filepath.Join(f.dir, name) }

func (f *farm) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *farm) key(name string) ssh.PublicKey {
	f.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(name, string(armor.EncodeToMemory(block)))
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.PublicKey()
}

// wire forwards to sshd, until it is cut.
func (f *farm) wire(to string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.addr = l.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			away, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			f.mu.Lock()
			f.ends = append(f.ends, near, away)
			f.mu.Unlock()
			for _, pair := range [][2]net.Conn{{near, away}, {away, near}} {
				running.Go(func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
		}
	})
	f.t.Cleanup(func() {
		l.Close()
		f.cut()
		running.Wait()
	})
}

// cut ends every connection there is.
func (f *farm) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.ends {
		c.Close()
	}
	f.ends = nil
}

// console is one console that may run a command at the far end.
type console struct {
	*farm
	step pipeline.Step
	env  *pipeline.Env
	log  string // its file
}

// console makes one for a command of a configuration made of these lines.
func (f *farm) console(lines string) *console {
	f.t.Helper()
	f.write("release.yaml", "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n"+
		"keys: [{name: k, private: \"env:K\", public: k}]\n"+
		fmt.Sprintf("tunnels: [{name: builder, host: \"%s\", user: %s, key: \"file:key\", known_hosts: known_hosts}]\n", f.addr, f.user)+
		"commands:\n  - name: it\n    on: builder\n"+lines)
	cfg, err := config.Load(f.path("release.yaml"))
	if err != nil {
		f.t.Fatal(err)
	}
	step, err := command.Make(cfg, checklist.Item{ID: "i", With: map[string]string{"name": "it"}, Target: "a"})
	if err != nil {
		f.t.Fatal(err)
	}
	set, err := tunnel.NewSet(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { set.Close() })
	return &console{f, step, &pipeline.Env{
		Config: cfg, Release: "r-1", Version: "9.7-RC2", Kind: "rc", Run: "20261121T170000Z-abcdef", Now: time.Now, Far: set.Run,
		Keep: func(_ context.Context, text string) error { f.kept = text; return nil },
		Kept: func(context.Context) (string, error) { return f.kept, nil },
	}, f.path("log")}
}

// run runs it, and returns what is in the log.
func (c *console) run(ctx context.Context) (pipeline.Evidence, string, error) {
	c.t.Helper()
	return c.logged(func(p *pipeline.Progress) (pipeline.Evidence, error) {
		plan, err := c.step.Plan(ctx, c.env)
		if err != nil {
			return nil, err
		}
		return c.step.Run(ctx, c.env, plan, p)
	})
}

func (c *console) logged(do func(*pipeline.Progress) (pipeline.Evidence, error)) (pipeline.Evidence, string, error) {
	c.t.Helper()
	file, err := os.Create(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	l := pipeline.NewLog(file, time.Now)
	ev, err := do(pipeline.NewProgress(l))
	if err := l.Close(); err != nil {
		c.t.Fatal(err)
	}
	b, rerr := os.ReadFile(c.log)
	if rerr != nil {
		c.t.Fatal(rerr)
	}
	return ev, string(b), err
}

// until waits for what must become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%s: not within 30 seconds", what)
}

func quote(script string) string { return "'" + strings.ReplaceAll(script, "'", "''") + "'" }
