// Package storagetest starts the servers that tests keep things on.
package storagetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Credentials of the servers that are started here.
const (
	Access = "tests"
	Secret = "tests-secret"
)

// Bucket is one that every server here has.
const Bucket = "gantry"

// S3 starts a server with an empty bucket called Bucket for the length of a
// test, and returns where it is and who may use it.
func S3(t testing.TB) (endpoint, access, secret string) {
	t.Helper()
	return NewS3(t).Endpoint(), Access, Secret
}

// Server is an S3 server on loopback: versitygw, a process of its own, with a
// directory behind it.
type Server struct {
	t    testing.TB
	root string
	port int

	mu  sync.Mutex
	cmd *exec.Cmd
}

// NewS3 starts a server that ends with the test. Where there is none on this
// machine the test is skipped, or fails where GANTRY_REQUIRE_CLIENTS is 1.
func NewS3(t testing.TB) *Server {
	t.Helper()
	return NewS3At(t, t.TempDir())
}

// NewS3At is NewS3 with that directory behind the server: each directory in it
// is a bucket.
func NewS3At(t testing.TB, root string) *Server {
	t.Helper()
	if _, err := exec.LookPath("versitygw"); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal("versitygw is required, and is not installed")
		}
		t.Skip("versitygw is not installed")
	}
	// One port for the whole life of the server: it comes back where it was.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, root: root, port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	if err := os.MkdirAll(filepath.Join(root, Bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Endpoint is the server's URL.
func (s *Server) Endpoint() string { return "http://" + s.Address() }

// Address is the server's host and port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Root is the directory behind the server; each directory in it is a bucket.
func (s *Server) Root() string { return s.root }

// Start starts the server, again after a Stop, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return
	}
	args := []string{"--access", Access, "--secret", Secret, "--port", s.Address(), "--quiet", "posix"}
	if unix.Setxattr(s.root, "user.gantry-test", []byte("x"), 0) != nil {
		side := s.root + ".sidecar"
		if err := os.MkdirAll(side, 0o755); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { os.RemoveAll(side) })
		args = append(args, "--sidecar", side)
	}
	var out bytes.Buffer
	s.cmd = exec.Command("versitygw", append(args, s.root)...)
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 400 {
		c, err := net.Dial("tcp", s.Address())
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.end()
	s.t.Fatalf("versitygw does not answer: %s", &out)
}

// Stop kills the server at once, as a crash would, and waits for its end.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

func (s *Server) end() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait() // killed is how it ends
	s.cmd = nil
}
