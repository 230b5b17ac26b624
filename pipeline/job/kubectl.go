package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"gantry/config"
)

const (
	answerMost = 16 << 20 // bytes of one answer
	told       = 500      // bytes of what kubectl says of an error
)

// Times, which tests shorten.
var (
	answerIn = 30 * time.Second // one answer of the cluster
	grace    = 5 * time.Second  // for kubectl to end by itself
)

// kubectl is the operator's program, with its first arguments. It has gantry's
// whole environment: what it authenticates with is there.
type kubectl struct{ argv []string }

func (s *step) kubectl() kubectl {
	if len(s.job.Kubectl) == 0 {
		return kubectl{[]string{"kubectl"}}
	}
	return kubectl{s.job.Kubectl}
}

// refusal is an answer of kubectl that is none of success.
type refusal struct {
	reason string // as the API server names it: NotFound, AlreadyExists ...; empty where it gave none
	text   string
}

func (r *refusal) Error() string { return r.text }

// reason is that of an error of the API server, empty where there is none.
func reason(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return ""
}

var (
	reasonForm = regexp.MustCompile(`(?m)^Error from server \(([A-Za-z]+)\)`)
	errAbsent  = errors.New("kubectl cannot be run")
)

// passing tells whether an error is one of the way to the cluster, or of a server
// that is ill, and not of what was asked for.
func passing(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.reason {
	case "ServiceUnavailable", "InternalError", "Timeout", "ServerTimeout", "TooManyRequests", "Expired", "Gone":
		return true
	case "":
		for _, sign := range []string{"connection to the server", "Unable to connect", "connection refused", "connection reset", "timeout", "timed out", "EOF",
			"no route to host", "TLS handshake", "http2:", "broken pipe", "temporarily", "unable to handle the request", "deadline exceeded", "unreachable"} {
			if strings.Contains(r.text, sign) {
				return true
			}
		}
	}
	return false
}

// start prepares a run of kubectl; cancelling ends it with what it started.
func (k kubectl) start(ctx context.Context, in []byte, out io.Writer, errs *bytes.Buffer, args []string) error {
	all := append(append([]string{}, k.argv[1:]...), args...)
	cmd := exec.CommandContext(ctx, k.argv[0], all...)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), out, &limited{errs, 64 << 10}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return refused(errs.String(), exit)
	}
	return config.Hint(fmt.Errorf("%w: %w", errAbsent, err), "install it, or name it as kubectl of the job in release.yaml")
}

func refused(said string, exit error) error {
	text := config.Inert(strings.Join(strings.Fields(strings.ToValidUTF8(said[:min(len(said), told)], "")), " "))
	if text == "" {
		text = exit.Error()
	}
	r := &refusal{text: "kubectl: " + text}
	if m := reasonForm.FindStringSubmatch(said); m != nil {
		r.reason = m[1]
	}
	return r
}

// ask runs kubectl for one answer.
func (k kubectl) ask(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	soon, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	var out, errs bytes.Buffer
	err := k.start(soon, in, &limited{&out, answerMost}, &errs, args)
	if ctx.Err() == nil && soon.Err() != nil {
		err = &refusal{text: fmt.Sprintf("kubectl: no answer within %s: timeout", answerIn)}
	}
	if err == nil && out.Len() >= answerMost {
		err = fmt.Errorf("kubectl answered with more than %d bytes", answerMost)
	}
	return out.Bytes(), err
}

// limited writes up to a number of bytes, and drops the rest.
type limited struct {
	to   *bytes.Buffer
	left int
}

// Write takes all, and keeps what there is room for.
func (l *limited) Write(b []byte) (int, error) {
	keep := b[:min(len(b), l.left)]
	l.left -= len(keep)
	l.to.Write(keep)
	return len(b), nil
}

// place is where Jobs are made.
type place struct {
	Server    string `json:"server,omitempty"` // of the cluster; empty where kubectl does not know before it asks
	Namespace string `json:"namespace"`
}

var namespaceForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// place asks kubectl's configuration where it works: the namespace is that of the
// job, else of the manifest, else of the context.
func (k kubectl) place(ctx context.Context, own config.Name, m *manifest) (place, error) {
	b, err := k.ask(ctx, nil, "config", "view", "--minify", "-o", "json")
	if errors.Is(err, errAbsent) || ctx.Err() != nil {
		return place{}, err
	}
	var view struct {
		Clusters []struct {
			Cluster struct{ Server string }
		}
		Contexts []struct {
			Context struct{ Namespace string }
		}
	}
	at := place{Namespace: string(own)}
	if at.Namespace == "" {
		at.Namespace = m.namespace()
	}
	known := err == nil && json.Unmarshal(b, &view) == nil
	if known && len(view.Clusters) == 1 {
		at.Server = config.Inert(view.Clusters[0].Cluster.Server)
	}
	if known && at.Namespace == "" && len(view.Contexts) == 1 {
		if at.Namespace = view.Contexts[0].Context.Namespace; at.Namespace == "" {
			at.Namespace = "default"
		}
	}
	if !namespaceForm.MatchString(at.Namespace) {
		return place{}, config.Hint(fmt.Errorf("%q is no namespace to make a Job in", config.Inert(at.Namespace)), "write namespace of the job in release.yaml")
	}
	return at, nil
}
