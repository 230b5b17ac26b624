// Package command runs a program of the configuration as an item, here or at the
// far end of a tunnel, once or for each architecture: by argv, with values in its
// environment. That it ended well is believed where what proves it is there.
package command

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
)

type step struct {
	cfg    *config.Release
	cmd    config.Command
	target string
}

// Make makes the step of an item that uses command. The item's options are name,
// of a command of the configuration (command says the same), and creates, a file
// below the configuration's directory that must be there afterwards as well.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name", "command", "creates"); err != nil {
		return nil, err
	}
	name := cmp.Or(item.With["name"], item.With["command"])
	cmd, ok := cfg.Command(name)
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s runs command %q, which the configuration does not have", item.ID, config.Inert(name)),
			"write it under commands in release.yaml")
	}
	s := &step{cfg: cfg, cmd: *cmd, target: item.Target}
	if err := distant(s.cmd); err != nil {
		return nil, err
	}
	if creates := item.With["creates"]; creates != "" {
		if !filepath.IsLocal(creates) {
			return nil, fmt.Errorf("item %s: %q is not a path below the configuration's directory", item.ID, config.Inert(creates))
		}
		s.cmd.Proofs = append(slices.Clone(s.cmd.Proofs), config.Proof{Files: creates})
	}
	return s, nil
}

// distant refuses what a command at the far end of a tunnel cannot be given: what
// is secret would stand in its arguments there, for everybody to see.
func distant(cmd config.Command) error {
	switch {
	case cmd.On == "":
		return nil
	case len(cmd.Secrets) > 0:
		return config.Hint(fmt.Errorf("command %s runs at the far end of tunnel %s, which secrets are not sent to", cmd.Name, cmd.On),
			"keep them there, where the program can read them, and leave secrets out")
	case len(cmd.Inherit) > 0:
		return config.Hint(fmt.Errorf("command %s runs at the far end of tunnel %s, and inherits nothing from here", cmd.Name, cmd.On),
			"leave inherit out, or write values under env")
	}
	return nil
}

// Refuse says why something is not run in a release of a kind, nil where it may.
func Refuse(what string, never config.Never, kind string) error {
	if !slices.Contains(never.Kinds, kind) {
		return nil
	}
	return config.Hint(&pipeline.RefusedError{
		Reason: fmt.Sprintf("%s is never run in a release of kind %s: %s", what, kind, cmp.Or(config.Inert(never.Because), "the configuration says so")),
		Hint:   "run it in a release of another kind, or change never in release.yaml",
	}, "run it in a release of another kind, or change never in release.yaml")
}

// calls are the executions that a run consists of.
func (s *step) calls(words map[string]string) ([]*Call, error) {
	names := []string{""}
	if len(s.cmd.Arch) > 0 {
		names = nil
		for _, a := range s.cmd.Arch {
			names = append(names, string(a))
		}
	}
	var all []*Call
	for _, name := range names {
		own := maps.Clone(words)
		if name != "" {
			own["arch"] = name
		}
		argv, err := placeholder.Arguments(s.cmd.Argv, own)
		if err == nil && (len(argv) == 0 || argv[0] == "") {
			err = fmt.Errorf("there is no program to run")
		}
		if err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", s.cmd.Name, err)
		}
		all = append(all, &Call{Config: s.cfg, Command: s.cmd, Argv: argv, Name: name, Arch: name, Target: s.target})
	}
	return all, nil
}

// Plan shows what would run.
func (s *step) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if err := Refuse(string(s.cmd.Name), s.cmd.Never, env.Kind); err != nil {
		return pipeline.Plan{}, err
	}
	calls, err := s.calls(placeholder.Words(env, s.target))
	if err != nil {
		return pipeline.Plan{}, err
	}
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
	facts := map[string]string{"environment": strings.Join(names, " ")}
	for _, c := range calls {
		argv := make([]string, len(c.Argv))
		for i, a := range c.Argv {
			argv[i] = fmt.Sprintf("%q", config.Inert(a))
		}
		facts[strings.TrimSpace("argv "+c.Name)] = strings.Join(argv, " ")
	}
	if s.cmd.On != "" {
		facts["runs at the far end of"] = string(s.cmd.On)
	}
	var proofs []string
	for _, p := range s.cmd.Proofs {
		proofs = append(proofs, config.Inert(p.Files))
	}
	if len(proofs) > 0 {
		facts["proved by"] = strings.Join(proofs, " ")
	}
	return pipeline.Plan{Facts: facts}, nil
}
