package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// grace is how long a stopped program has to end by itself.
const grace = 5 * time.Second

// Call is one execution of a command of the configuration.
type Call struct {
	Config  *config.Release
	Command config.Command
	Argv    []string // of the command, its placeholders filled
	Name    string   // apart from the other calls of a run, such as an architecture; may be empty
	Arch    string   // that it is run for, may be empty
	Target  string   // that its item is about, may be empty

	// Say takes what it writes, line by line, harmless and without its secrets.
	Say func(format string, args ...any)
}

func (c *Call) out(m mask) *output { return &output{log: c.Say, mask: m} }

// Run runs it to its end, within the time that the command has. status is that
// end in words, empty where it did not start. Where ctx ends, it is stopped with
// all that it started.
func (c *Call) Run(ctx context.Context, env *pipeline.Env) (status string, err error) {
	limit := time.Duration(c.Command.Timeout)
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer stop()
	if err := distant(c.Command); err != nil {
		return "", err
	}
	if c.Command.On != "" {
		return c.there(ctx, env)
	}
	return c.here(ctx, env)
}

// here runs it on this machine.
func (c *Call) here(ctx context.Context, env *pipeline.Env) (string, error) {
	name := c.Command.Name
	vars, secrets, err := c.environment(env)
	if err != nil {
		return "", err
	}
	out := c.out(newMask(secrets))
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir = c.Config.Path(c.Command.Dir)
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
	status := ""
	if cmd.ProcessState != nil {
		status = cmd.ProcessState.String()
	}
	switch {
	case ctx.Err() != nil:
		return status, fmt.Errorf("%s was stopped: %w", name, context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		return status, fmt.Errorf("%s ended, but something it started kept its output open", name)
	case err != nil && cmd.ProcessState == nil:
		return status, config.Hint(fmt.Errorf("start %s: %w", name, err), "check argv and dir of the command in release.yaml")
	case err != nil:
		return status, failed(name, err.Error(), out)
	}
	return status, nil
}

func failed(name config.Name, status string, out *output) error {
	return config.Hint(fmt.Errorf("%s failed: %s; it last said: %s", name, status, out.tail()), "its whole output is in the run's log")
}

// own are the variables that gantry tells of the release.
func (c *Call) own(env *pipeline.Env) []string {
	vars := []string{"GANTRY_RELEASE=" + env.Release, "GANTRY_VERSION=" + env.Version, "GANTRY_TARGET=" + c.Target}
	if c.Arch != "" {
		vars = append(vars, "GANTRY_ARCH="+c.Arch)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Command.Env)) {
		vars = append(vars, name+"="+c.Command.Env[name])
	}
	return vars
}

// environment is all that the program sees here, and the secrets in it.
func (c *Call) environment(env *pipeline.Env) (vars []string, secrets []string, err error) {
	for _, name := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			vars = append(vars, name+"="+v)
		}
	}
	vars = append(vars, "TERM=dumb")
	vars = append(vars, c.own(env)...)
	for _, name := range c.Command.Inherit {
		v, ok := os.LookupEnv(name)
		if !ok {
			return nil, nil, config.Hint(fmt.Errorf("%s inherits %s, which the environment does not have", c.Command.Name, name),
				"export it before starting gantry, or leave it out of inherit in release.yaml")
		}
		vars = append(vars, name+"="+v)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Command.Secrets)) {
		v, err := c.Command.Secrets[name].Reveal(c.Config.Dir())
		if err != nil {
			return nil, nil, fmt.Errorf("environment of %s: %w", c.Command.Name, err)
		}
		if bytes.IndexByte(v, 0) >= 0 {
			return nil, nil, fmt.Errorf("environment of %s: secret %s holds a NUL byte, which no program can be given", c.Command.Name, c.Command.Secrets[name].Reference())
		}
		if len(bytes.TrimSpace(v)) < shortest {
			c.Say("secret %s has fewer than %d characters: it is not masked here", name, shortest)
		}
		vars = append(vars, name+"="+string(v))
		secrets = append(secrets, string(v))
	}
	return vars, secrets, nil
}
