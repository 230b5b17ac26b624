package compose

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// latest moves a link such as latest-Rocky-9 to the newest compose, or back.
type latest struct {
	place
	link, to string // with placeholders; to may end with *
	back     bool
}

// newLatest takes link, a path below the root of the area, and to, the name of a
// directory beside it. Where that ends with *, it is the newest compose that ended
// of those whose name begins so.
func newLatest(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("in", "link", "to"); err != nil {
		return nil, err
	}
	p, err := placeOf(cfg, item, areas...)
	if err != nil {
		return nil, err
	}
	for _, option := range []string{"link", "to"} {
		if item.With[option] == "" {
			return nil, config.Hint(fmt.Errorf("item %s: %s needs %s", item.ID, item.Uses, option),
				`write such as link: "{major}/latest-Rocky-{major}" and to: "Rocky-{revision}-*"`)
		}
	}
	return &latest{place: p, link: item.With["link"], to: item.With["to"]}, nil
}

// Reverse puts back what the link named before.
func (s *latest) Reverse() pipeline.Step {
	return &latest{s.place, s.link, s.to, true}
}

// aim is where the link leads and is to lead.
type aim struct {
	link
	from string
}

// at opens the area and finds where the link leads. Where it is to lead is not
// looked for yet.
func (s *latest) at(env *pipeline.Env) (*os.Root, aim, config.Edition, error) {
	e, err := s.edition(env)
	if err != nil {
		return nil, aim{}, e, err
	}
	words := s.target.Tree.Placeholders(e)
	name, err := config.Expand(s.link, words)
	if err != nil {
		return nil, aim{}, e, err
	}
	to, err := config.Expand(s.to, words)
	if err != nil {
		return nil, aim{}, e, err
	}
	if !filepath.IsLocal(name) || name != path.Clean(name) {
		return nil, aim{}, e, fmt.Errorf("%q is no name of a link below the area", config.Inert(name))
	}
	root, err := s.root()
	if err != nil {
		return nil, aim{}, e, err
	}
	a := aim{link: link{name, to}}
	if a.from, err = a.link.from(root); err != nil {
		root.Close()
		return nil, aim{}, e, err
	}
	return root, a, e, nil
}

func (s *latest) aim(env *pipeline.Env) (*os.Root, aim, error) {
	root, a, e, err := s.at(env)
	if err != nil {
		return nil, aim{}, err
	}
	switch begin, newest := strings.CutSuffix(a.to, "*"); {
	case s.back:
		a.to, err = a.former(root, s.area)
	case newest:
		a.to, err = s.newest(root, path.Dir(a.name), begin, e)
	}
	if err == nil && !s.back {
		err = a.check(root)
	}
	if err != nil {
		root.Close()
		return nil, aim{}, err
	}
	return root, a, nil
}

// newest is the directory of the compose of an edition that began last.
func (s *latest) newest(root *os.Root, dir, begin string, e config.Edition) (string, error) {
	f, err := root.Open(dir)
	if err != nil {
		return "", err
	}
	defer f.Close()
	all, err := f.ReadDir(-1)
	if err != nil {
		return "", err
	}
	var best id
	name := ""
	for _, d := range all {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), begin) {
			continue
		}
		is, err := parseID(d.Name())
		if err != nil || is.revision != e.Revision() || !is.after(best) {
			continue
		}
		best, name = is, d.Name()
	}
	if name == "" {
		return "", config.Hint(fmt.Errorf("there is no compose %s* of %s", config.Inert(path.Join(dir, begin)), e.Revision()), "compose it first")
	}
	if err := s.complete(root, path.Join(dir, name), best); err != nil {
		return "", fmt.Errorf("%s, the newest: %w", config.Inert(name), err)
	}
	return name, nil
}

// complete refuses a compose that did not end.
func (s *latest) complete(root *os.Root, at string, is id) error {
	dir, err := os.OpenRoot(filepath.Join(root.Name(), filepath.FromSlash(at), "compose"))
	if err != nil {
		return err
	}
	defer dir.Close()
	held, err := identify(dir)
	if err == nil && held.text != is.text {
		err = fmt.Errorf("it holds %s", held.text)
	}
	if err == nil {
		err = ended(dir.Name())
	}
	return err
}

// Plan tells where the link leads and is to lead.
func (s *latest) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	root, a, err := s.aim(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer root.Close()
	plan := pipeline.Plan{
		Title: fmt.Sprintf("Let %s name %s in %s", config.Inert(a.name), config.Inert(a.to), s.name),
		// What makes the item true is where it leads afterwards.
		Inputs: digest(a.name, a.to, a.to),
	}
	switch c := (pipeline.Change{Name: config.Inert(a.name), From: config.Inert(a.from), To: config.Inert(a.to)}); a.from {
	case a.to: // a run then only says so
	case "":
		plan.Added = []pipeline.Change{c}
	default:
		plan.Changed = []pipeline.Change{c}
	}
	return plan, nil
}

// Run moves the link, after it kept what it named before.
func (s *latest) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	root, a, err := s.aim(env)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if digest(a.name, a.to, a.to) != plan.Inputs {
		return nil, &pipeline.ConflictError{Reason: "another compose is the newest now", Hint: "plan again"}
	}
	ev := pipeline.Evidence{"link": config.Inert(a.name), "names": config.Inert(a.to), "named": config.Inert(a.from)}
	if a.from == a.to {
		return ev, nil
	}
	if err := halted(ctx, env); err != nil {
		return nil, err
	}
	if !s.back { // what it named before that stays known
		if err := remember(root, record(s.area, a.name, a.to), a.from); err != nil {
			return nil, fmt.Errorf("keep what %s named: %w", config.Inert(a.name), err)
		}
	}
	if err := a.set(root, a.from); err != nil {
		return nil, err
	}
	p.Logf("%s names %s, it named %s", a.name, a.to, orNowhere(a.from))
	return ev, nil
}

// Look tells whether the link leads where the plan wanted it, whatever it would be
// wanted to name by now.
func (s *latest) Look(_ context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	root, a, _, err := s.at(env)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer root.Close()
	if digest(a.name, a.from, a.from) != plan.Inputs {
		return pipeline.Seen{Failed: config.Inert(a.name) + " leads to " + orNowhere(a.from)}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"link": config.Inert(a.name), "names": config.Inert(a.from)}}, nil
}

// Inputs is where the link leads: a compose that is begun after it was moved
// makes nothing of that untrue.
func (s *latest) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	root, a, _, err := s.at(env)
	if err != nil {
		return "", err
	}
	return digest(a.name, a.from, a.from), root.Close()
}
