package tunnel_test

import (
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
}
