// Package remote runs a workflow of GitHub, Gitea or Forgejo as an item: it is
// dispatched once, followed to its end, and believed only if it is the workflow,
// commit and inputs that were confirmed.
package remote

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

type step struct {
	cfg      *config.Release
	workflow config.Workflow
	forge    config.Forge
	target   *config.Target    // nil without one
	inputs   map[string]string // with their placeholders
}

var (
	fileForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.ya?ml$`)
	refForm  = regexp.MustCompile(`^[^\x00-\x20~^:?*\[\\\x7f-]([^\x00-\x20~^:?*\[\\\x7f]{0,250})$`)
)

// Make makes the step of an item that uses remote. The option workflow names one
// of the configuration, where {format} stands for that of the item's target; every
// other option is an input, and goes before what the configuration says of it.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	s := &step{cfg: cfg, inputs: map[string]string{}}
	name := item.With["workflow"]
	if item.Target != "" {
		t, ok := cfg.Target(item.Target)
		if !ok {
			return nil, fmt.Errorf("item %s is about target %q, which the configuration does not have", item.ID, config.Inert(item.Target))
		}
		s.target = t
		name = strings.ReplaceAll(name, "{format}", string(t.Format))
	}
	w, ok := cfg.Workflow(name)
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s runs workflow %q, which the configuration does not have", item.ID, config.Inert(name)),
			"write it under workflows in release.yaml")
	}
	s.workflow = *w
	f, ok := cfg.Forge(string(w.Forge))
	if !ok {
		return nil, config.Hint(fmt.Errorf("workflow %s is of forge %q, which the configuration does not have", name, config.Inert(string(s.workflow.Forge))),
			"write it under forges in release.yaml")
	}
	s.forge = *f
	s.workflow.Ref = cmp.Or(s.workflow.Ref, "main")
	s.workflow.Timeout = cmp.Or(s.workflow.Timeout, config.Duration(2*time.Hour))
	if !fileForm.MatchString(s.workflow.File) || strings.Contains(s.workflow.File, "..") {
		return nil, config.Hint(fmt.Errorf("workflow %s: %q is not the file of a workflow", name, config.Inert(s.workflow.File)), "write its name alone, such as promote-rpm.yml")
	}
	if ref := s.workflow.Ref; !refForm.MatchString(ref) || config.Inert(ref) != ref || strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//") {
		return nil, fmt.Errorf("workflow %s: %q is not a branch or tag", name, config.Inert(ref))
	}
	maps.Copy(s.inputs, s.workflow.Inputs)
	for name, value := range item.With {
		if name != "workflow" {
			s.inputs[name] = value
		}
	}
	return s, nil
}

var placeholderForm = regexp.MustCompile(`\{[^{}]*\}`)

// expanded fills the placeholders of the inputs. One that is unknown, or has
// nothing to stand for, is refused.
func (s *step) expanded(env *pipeline.Env) (map[string]string, error) {
	known := map[string]string{"version": env.Version}
	if t := s.target; t != nil {
		known["target"], known["component"], known["series"] = string(t.Name), string(t.Component), string(t.Series)
		known["os"], known["suite"] = string(t.OS), string(t.Suite)
	}
	all := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.inputs)) {
		var err error
		all[name] = placeholderForm.ReplaceAllStringFunc(s.inputs[name], func(p string) string {
			value := known[strings.Trim(p, "{}")]
			if value == "" && err == nil {
				err = config.Hint(fmt.Errorf("input %s: %s stands for nothing here", config.Inert(name), config.Inert(p)),
					"placeholders are {target} {component} {series} {os} {suite}, where the item has a target with them, and {version} in a release")
			}
			return value
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Plan looks up the commit, reads the workflow as that commit has it, and checks
// the inputs against it.
func (s *step) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	values, err := s.expanded(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	c, err := forge.Open(s.cfg, &s.forge)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer c.Close()
	a := aim{forge: string(s.forge.Name), repository: c.Repository(), ref: s.workflow.Ref, inputs: values}
	if a.sha, err = c.Head(ctx, a.ref); err != nil {
		return pipeline.Plan{}, err
	}
	var file []byte
	if a.workflow, file, err = s.read(ctx, c, a.sha); err != nil {
		return pipeline.Plan{}, err
	}
	d, err := parse(file)
	if err == nil {
		err = d.check(values)
	}
	if err != nil {
		return pipeline.Plan{}, fmt.Errorf("%s at %.12s: %w", a.workflow, a.sha, err)
	}
	a.correlation, a.runName, a.defaults = d.correlation(), config.Inert(d.runName), d.defaults(values)
	runs, err := a.recent(ctx, c)
	if err != nil {
		return pipeline.Plan{}, err
	}
	warnings, err := a.beside(runs)
	if err != nil {
		return pipeline.Plan{}, err
	}
	title := fmt.Sprintf("Run %s of %s at %s", s.workflow.File, a.repository, a.ref)
	if s.target != nil {
		title += " for " + string(s.target.Name)
	}
	return pipeline.Plan{Title: title, Facts: a.facts(), Warnings: warnings}, nil
}

// read finds the workflow's file. Gitea and Forgejo look in several directories,
// in this order.
func (s *step) read(ctx context.Context, c *forge.Client, sha string) (at string, file []byte, err error) {
	dirs := []string{".github/workflows"}
	if c.Kind() == config.Forgejo {
		dirs = []string{".forgejo/workflows", ".gitea/workflows", ".github/workflows"}
	}
	for _, dir := range dirs {
		at = path.Join(dir, s.workflow.File)
		if file, err = c.File(ctx, at, sha); err != forge.ErrNoFile {
			return at, file, err
		}
	}
	return "", nil, config.Hint(fmt.Errorf("%s at %.12s has no workflow %s in %s", c.Repository(), sha, s.workflow.File, strings.Join(dirs, ", ")),
		"check file and ref of the workflow in release.yaml")
}
