package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gantry/config"
	"gantry/storage/tunnel"
)

const sshd = "/usr/sbin/sshd"

// TestSSHD forwards through OpenSSH's server, which allows nothing else.
func TestSSHD(t *testing.T) {
	missing := t.Skipf
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		missing = t.Fatalf
	}
	if _, err := os.Stat(sshd); err != nil {
		missing("no sshd: %v", err)
	}
	b := newBench(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // which sshd wants when it is root
			missing("no place for sshd: %v", err)
		}
	}
	key, host := newKey(t)
	b.write("host", b.pem(key, ""))
	b.write("authorized_keys", "restrict,port-forwarding "+string(ssh.MarshalAuthorizedKey(b.user)))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	b.write("sshd_config", fmt.Sprintf(`ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
`, addr, b.path("host"), b.path("authorized_keys")))
	cmd := exec.Command(sshd, "-D", "-e", "-f", b.path("sshd_config"))
	log, err := os.Create(b.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		missing("start sshd: %v", err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(b.path("log"))
			t.Logf("sshd says:\n%s", text)
		}
	}()
	until(t, "sshd listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	b.knows(addr, host.PublicKey())
	c := b.tunnel("bastion", addr)
	c.User = me.Username
	via := b.tunnel("inner", addr)
	via.User, via.Via = me.Username, "bastion"
	set := b.set(c, via)
	to := listen(t, func(c net.Conn) {
		io.Copy(c, c)
	})
	for _, name := range []config.Name{"bastion", "inner"} {
		conn, err := set.Dial(name)(t.Context(), "tcp", to)
		talks(t, conn, err)
	}
	_, err = set.Dial("bastion")(t.Context(), "tcp", "127.0.0.1:1")
	wants(t, err, "cannot reach it: ")

	said := listen(t, func(c net.Conn) { io.WriteString(c, strings.Repeat("x", 3<<20)) })
	conn, err := set.Dial("bastion")(t.Context(), "tcp", said)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if len(got) != 3<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	conn.Close()

	for _, name := range []config.Name{"bastion", "inner"} {
		var out, errs bytes.Buffer
		var exit *tunnel.ExitError
		err = set.Run(t.Context(), name, "echo out; echo err >&2; exit 3", &out, &errs)
		if !errors.As(err, &exit) || exit.Status != 3 || out.String() != "out\n" || errs.String() != "err\n" {
			t.Errorf("%v; out %q, err %q", err, &out, &errs)
		}
	}
	wants(t, set.Run(t.Context(), "bastion", "true", io.Discard, io.Discard), "")
	wants(t, set.Run(t.Context(), "bastion", "kill -s KILL $$", io.Discard, io.Discard), "signal KILL")
	wants(t, set.Run(t.Context(), "none", "true", io.Discard, io.Discard), "no tunnel")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	if err := set.Run(ctx, "bastion", "echo begun; exec sleep 60", writing(func() { cancel(why) }), io.Discard); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// writing does something when it is written to.
type writing func()

// Write does it.
func (w writing) Write(b []byte) (int, error) {
	w()
	return len(b), nil
}

// A server that is for forwarding alone opens no session, and says so.
func TestRunIsRefused(t *testing.T) {
	b := newBench(t)
	s := serve(t, b.user)
	b.knows(s.addr(), s.host)
	set := b.set(b.tunnel("bastion", s.addr()))
	err := set.Run(t.Context(), "bastion", "true", io.Discard, io.Discard)
	wants(t, err, "opens no session")
	if config.HintOf(err) == "" {
		t.Error("no hint")
	}
}
