// Package command runs a program of the configuration as an item: by argv,
// never through a shell, with values in its environment.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// grace is how long a stopped program has to end by itself.
const grace = 5 * time.Second

type step struct {
	cfg     *config.Release
	cmd     config.Command
	creates string // path that must be there afterwards, empty without
	target  string
}

// Make makes the step of an item that uses command. The item's options are
// command, which names one of the configuration, and creates, a path below the
// configuration's directory that the program must leave behind.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	cmd, ok := cfg.Command(item.With["command"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s runs command %q, which the configuration does not have", item.ID, config.Inert(item.With["command"])),
			"write it under commands in release.yaml")
	}
	creates := item.With["creates"]
	if creates != "" && !filepath.IsLocal(creates) {
		return nil, fmt.Errorf("item %s: %q is not a path below the configuration's directory", item.ID, config.Inert(creates))
	}
	return &step{cfg: cfg, cmd: *cmd, creates: creates, target: item.Target}, nil
}

// Plan shows what would run.
func (s *step) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	names := []string{}
	for name := range s.cmd.Env {
		names = append(names, name)
	}
	for _, name := range s.cmd.Inherit {
		names = append(names, name+" (inherited)")
	}
	for name := range s.cmd.Secrets {
		names = append(names, name+" (secret)")
	}
	slices.Sort(names)
	argv := make([]string, len(s.cmd.Argv))
	for i, a := range s.cmd.Argv {
		argv[i] = fmt.Sprintf("%q", config.Inert(a))
	}
	return pipeline.Plan{Facts: map[string]string{
		"argv":        strings.Join(argv, " "),
		"environment": strings.Join(names, " "),
	}}, nil
}

// Run runs the program, its output line by line into the log. Cancelling stops
// its whole process group.
func (s *step) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	p.Phase("run "+string(s.cmd.Name), pipeline.Files, 0)
	timeout, stop := context.WithTimeoutCause(ctx, time.Duration(s.cmd.Timeout),
		fmt.Errorf("it took longer than %s", time.Duration(s.cmd.Timeout)))
	defer stop()
	vars, secrets, err := s.environment(env, p)
	if err != nil {
		return nil, err
	}
	before, err := s.created()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := &output{log: p.Logf, mask: newMask(secrets)}
	cmd := exec.CommandContext(timeout, s.cmd.Argv[0], s.cmd.Argv[1:]...)
	cmd.Dir = s.cfg.Path(s.cmd.Dir)
	cmd.Env = vars
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err = cmd.Run()
	if cmd.Process != nil {
		// Whatever the program left in its group goes with it; without any the
		// call fails, which is the good case.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	out.end()
	ev := pipeline.Evidence{}
	if cmd.ProcessState != nil {
		ev["exit"] = cmd.ProcessState.String()
	}
	switch {
	case timeout.Err() != nil:
		return ev, fmt.Errorf("%s was stopped: %w", s.cmd.Name, context.Cause(timeout))
	case errors.Is(err, exec.ErrWaitDelay):
		return ev, fmt.Errorf("%s ended, but something it started kept its output open", s.cmd.Name)
	case err != nil && cmd.ProcessState == nil:
		return ev, config.Hint(fmt.Errorf("start %s: %w", s.cmd.Name, err), "check argv and dir of the command in release.yaml")
	case err != nil:
		return ev, config.Hint(fmt.Errorf("%s failed: %w; it last said: %s", s.cmd.Name, err, out.tail()), "its whole output is in the run's log")
	}
	if s.creates != "" {
		after, err := s.created()
		if err != nil {
			return ev, fmt.Errorf("%s succeeded, but did not leave %s behind: %w", s.cmd.Name, s.creates, err)
		}
		ev["created"] = s.creates
		ev["created at"] = after.ModTime().UTC().Format(time.RFC3339)
		if before != nil && os.SameFile(before, after) && before.ModTime().Equal(after.ModTime()) && before.Size() == after.Size() {
			ev["created at"] += ", before this run, which left it as it was"
		}
	}
	return ev, nil
}

// created looks at what the program must leave behind; nil where that is nothing.
func (s *step) created() (fs.FileInfo, error) {
	if s.creates == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(s.cfg.Dir())
	if err != nil {
		return nil, fmt.Errorf("open the directory of the configuration: %w", err)
	}
	defer root.Close()
	return root.Stat(s.creates)
}

// environment is all that the program sees, and the secrets in it.
func (s *step) environment(env *pipeline.Env, p *pipeline.Progress) (vars []string, secrets []string, err error) {
	for _, name := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			vars = append(vars, name+"="+v)
		}
	}
	vars = append(vars, "TERM=dumb", "GANTRY_RELEASE="+env.Release, "GANTRY_VERSION="+env.Version, "GANTRY_TARGET="+s.target)
	for _, name := range s.cmd.Inherit {
		v, ok := os.LookupEnv(name)
		if !ok {
			return nil, nil, config.Hint(fmt.Errorf("%s inherits %s, which the environment does not have", s.cmd.Name, name),
				"export it before starting gantry, or leave it out of inherit in release.yaml")
		}
		vars = append(vars, name+"="+v)
	}
	for name, v := range s.cmd.Env {
		vars = append(vars, name+"="+v)
	}
	for _, name := range slices.Sorted(maps.Keys(s.cmd.Secrets)) {
		v, err := s.cmd.Secrets[name].Reveal(s.cfg.Dir())
		if err != nil {
			return nil, nil, fmt.Errorf("environment of %s: %w", s.cmd.Name, err)
		}
		if bytes.IndexByte(v, 0) >= 0 {
			return nil, nil, fmt.Errorf("environment of %s: secret %s holds a NUL byte, which no program can be given", s.cmd.Name, s.cmd.Secrets[name].Reference())
		}
		if len(bytes.TrimSpace(v)) < shortest {
			p.Logf("secret %s has fewer than %d characters: it is not masked here", name, shortest)
		}
		vars = append(vars, name+"="+string(v))
		secrets = append(secrets, string(v))
	}
	return vars, secrets, nil
}
