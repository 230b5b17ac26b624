// Package closure is the check that the repositories of a compose are closed: that
// every dependency of a package in them is met by them. It runs dnf repoclosure as
// the configuration has it, once for each repository and architecture, and
// believes what that lists, not how it ends.
package closure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
	"gantry/pipeline/placeholder"
)

const units pipeline.Unit = "repositories"

const (
	requires  = "{requires}"
	notable   = 20 // dependencies of a repository that the evidence repeats
	callsMost = 4  // at a time: each holds the metadata of several repositories
)

type step struct {
	cfg     *config.Release
	closure config.Closure
	cmd     config.Command
	target  string
}

// Make makes the step of an item that uses closure. Its option name is that of a
// closure of the configuration. In the arguments of its command {repo} and {arch}
// stand for what is checked; one that is {requires} alone becomes --repo=NAME, once
// for each repository that packages may be taken from.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	name := config.Inert(item.With["name"])
	c, ok := cfg.Closure(item.With["name"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s runs closure %q, which the configuration does not have", item.ID, name), "write it under closures in release.yaml")
	}
	cmd, ok := cfg.Command(string(c.Command))
	if !ok {
		return nil, config.Hint(fmt.Errorf("closure %s runs command %q, which the configuration does not have", name, c.Command), "write it under commands in release.yaml")
	}
	switch {
	case len(c.Repos) == 0 || len(c.Arch) == 0:
		return nil, fmt.Errorf("closure %s has nothing to check: it needs repos and architectures", name)
	case len(cmd.Arch) > 0 || len(cmd.Proofs) > 0:
		return nil, config.Hint(fmt.Errorf("command %s of closure %s has architectures or proofs of its own", cmd.Name, name), "write architectures of the closure; what it proves is its list")
	}
	for _, arg := range cmd.Argv {
		if strings.Contains(arg, requires) && arg != requires {
			return nil, config.Hint(fmt.Errorf("command %s: %q holds %s among other text", cmd.Name, config.Inert(arg), requires), "write it as an argument of its own: it becomes several")
		}
	}
	s := &step{cfg: cfg, closure: *c, cmd: *cmd, target: item.Target}
	// What it lists is read, so it must not be in the operator's language, nor in
	// that of the command's own environment.
	s.cmd.Env = map[string]string{}
	maps.Copy(s.cmd.Env, cmd.Env)
	s.cmd.Env["LC_ALL"], s.cmd.Env["LANGUAGE"] = "C.UTF-8", "C" // the second one counts for more
	return s, nil
}

// one is a repository of an architecture.
type one struct {
	name string // repository/architecture
	arch string
	argv []string
}

// all are the repositories to check.
func (s *step) all(env *pipeline.Env) ([]one, error) {
	words := placeholder.Words(env, s.target)
	var list []one
	for _, arch := range s.closure.Arch {
		for _, repo := range s.closure.Repos {
			words["repo"], words["arch"] = repo.Name, string(arch)
			var argv []string
			for _, arg := range s.cmd.Argv {
				if arg != requires {
					got, err := placeholder.Arguments([]string{arg}, words)
					if err != nil {
						return nil, err
					}
					argv = append(argv, got...)
					continue
				}
				for _, r := range repo.Requires {
					argv = append(argv, "--repo="+r)
				}
			}
			list = append(list, one{config.Inert(repo.Name) + "/" + string(arch), string(arch), argv})
		}
	}
	return list, nil
}

// Plan shows what would be run for each repository.
func (s *step) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if err := command.Refuse(string(s.cmd.Name), s.cmd.Never, env.Kind); err != nil {
		return pipeline.Plan{}, err
	}
	list, err := s.all(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	facts := map[string]string{}
	for _, o := range list {
		argv := make([]string, len(o.argv))
		for i, a := range o.argv {
			argv[i] = fmt.Sprintf("%q", config.Inert(a))
		}
		facts[o.name] = strings.Join(argv, " ")
	}
	return pipeline.Plan{Title: fmt.Sprintf("Check that %d repositories are closed", len(list)), Facts: facts}, nil
}

// Run checks every repository, some at a time, and lists in the log what is not
// met. The evidence has the verdict of each.
func (s *step) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	list, err := s.all(env)
	if err != nil {
		return nil, err
	}
	p.Phase("check "+string(s.closure.Name), units, int64(len(list)))
	verdicts := make([]verdict, len(list))
	var running errgroup.Group
	running.SetLimit(min(callsMost, runtime.NumCPU()))
	for i, o := range list {
		running.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			p.File(o.name)
			verdicts[i] = s.check(ctx, env, i, o, p)
			p.Add(1)
			return nil // every repository is judged by itself
		})
	}
	running.Wait() // nothing there returns an error
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return judge(list, verdicts)
}

func (s *step) check(ctx context.Context, env *pipeline.Env, n int, o one, p *pipeline.Progress) verdict {
	var list listing
	c := &command.Call{Config: s.cfg, Command: s.cmd, Argv: o.argv, Name: strconv.Itoa(n), Arch: o.arch, Target: s.target,
		Say: func(format string, args ...any) {
			line := fmt.Sprintf(format, args...)
			list.take(line)
			p.Logf("[%s] %s", o.name, line)
		}}
	began := time.Now()
	status, err := c.Run(ctx, env)
	v := list.verdict(status, err, time.Since(began))
	p.Logf("[%s] verdict: %s", o.name, v)
	return v
}

// judge is the verdict on all repositories.
func judge(list []one, verdicts []verdict) (pipeline.Evidence, error) {
	ev := pipeline.Evidence{}
	var open, unknown []string
	for i, o := range list {
		v := verdicts[i]
		ev[o.name] = v.String()
		switch {
		case v.why != nil:
			unknown = append(unknown, fmt.Sprintf("%s (%v)", o.name, v.why))
		case len(v.unmet) > 0:
			open = append(open, fmt.Sprintf("%s (%s)", o.name, v))
			some := v.unmet[:min(notable, len(v.unmet))]
			text := strings.Join(some, "; ")
			if more := len(v.unmet) - len(some); more > 0 {
				text += fmt.Sprintf("; and %d more", more)
			}
			ev[o.name+" lacks"] = text
		}
	}
	var parts []string
	if len(open) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d repositories are not closed: %s", len(open), len(list), strings.Join(open, ", ")))
	}
	if len(unknown) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d could not be checked: %s", len(unknown), len(list), strings.Join(unknown, ", ")))
	}
	if len(parts) == 0 {
		return ev, nil
	}
	return ev, config.Hint(errors.New(strings.Join(parts, "; ")), "the whole list is in the run's log")
}
