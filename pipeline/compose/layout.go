package compose

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// layout gives the copy of a compose in staging the shape of a minor release:
// images in isos, kickstart copies, what installers read of AppStream, links. The
// compose itself is never written to.
type layout struct {
	place
	drop   []string
	link   []link
	beside []string // with placeholders
}

// newLayout takes drop, patterns of directories that no mirror is given
// (Minimal,Cloud,BaseOS/*/iso); link, other names of repositories
// (NFV=nfv,Devel=devel); and beside, links to the edition in the directory that it
// is in (latest-{major},{revision}).
func newLayout(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("drop", "link", "beside"); err != nil {
		return nil, err
	}
	p, err := placeOf(cfg, item, "staging")
	if err != nil {
		return nil, err
	}
	s := &layout{place: p, drop: words(item.With["drop"]), beside: words(item.With["beside"])}
	for _, pattern := range s.drop {
		if first, _, _ := strings.Cut(pattern, "/"); !sound(pattern) || strings.ContainsAny(first, `*?[\`) {
			return nil, config.Hint(fmt.Errorf("item %s: drop has %q, which is no directory below an edition", item.ID, config.Inert(pattern)), "write such as Minimal or BaseOS/*/iso")
		}
		if slices.Contains(p.target.Tree.Repos, pattern) {
			return nil, config.Hint(fmt.Errorf("item %s: drop has %s, which %s says every edition has", item.ID, pattern, p.target.Name), "leave it out of drop, or of repos of the tree")
		}
	}
	for _, pair := range words(item.With["link"]) {
		to, name, ok := strings.Cut(pair, "=")
		if !ok || !sound(to) || !sound(name) || strings.Contains(pair, "/") {
			return nil, config.Hint(fmt.Errorf("item %s: link has %q", item.ID, config.Inert(pair)), "write such as NFV=nfv")
		}
		s.link = append(s.link, link{name, to})
	}
	return s, nil
}

// words are the parts of an option, by comma.
func words(option string) []string {
	if option == "" {
		return nil
	}
	all := strings.Split(option, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// sound tells whether a path leads below a directory and is written plainly.
func sound(p string) bool {
	_, err := path.Match(p, "")
	return err == nil && filepath.IsLocal(p) && p == path.Clean(p) && !strings.HasPrefix(p, ".")
}

// action is one thing that a layout does. It is there as long as it is not done.
type action struct {
	list   string // added, changed or removed
	change pipeline.Change
	tree   string                      // directory whose files it takes, for its size
	alarm  string                      // word of the alarm that it raises
	do     func(context.Context) error // whole, or not at all
}

// finding collects actions.
type finding struct {
	env     *pipeline.Env
	edition config.Edition
	root    *os.Root // the edition
	above   *os.Root // the directory that it is in
	name    string   // of the edition in that
	drop    []string
	all     []action
}

func (f *finding) close() {
	f.root.Close()
	f.above.Close()
}

// find looks for what is not done yet, in the order in which it is.
func (s *layout) find(env *pipeline.Env) (*finding, error) {
	e, err := s.edition(env)
	if err != nil {
		return nil, err
	}
	root, err := s.open(env)
	if err != nil {
		return nil, err
	}
	at := filepath.Clean(root.Name())
	above, err := os.OpenRoot(filepath.Dir(at))
	if err != nil {
		root.Close()
		return nil, err
	}
	f := &finding{env, e, root, above, filepath.Base(at), s.drop, nil}
	for _, part := range []func() error{
		f.isos, f.kickstarts, f.treeinfos,
		func() error { return f.links(s.link) },
		func() error { return f.drops(s.drop) },
		func() error { return f.besides(s) },
	} {
		if err := part(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *finding) add(list string, c pipeline.Change, do func(context.Context) error) *action {
	c.Name = config.Inert(c.Name)
	f.all = append(f.all, action{list: list, change: c, do: do})
	return &f.all[len(f.all)-1]
}

// digest is one of what is not done. None of that is what makes the item true.
func (f *finding) digest() string {
	lines := []string{f.name}
	for _, a := range f.all {
		lines = append(lines, a.list, a.change.Name, a.change.From, a.change.To)
	}
	return digest(lines...)
}

// alarms are what their words mean.
var alarms = map[string]string{
	"replaces-images": "images of the release that are there already, with other bytes, would be replaced",
	"late-kickstart":  "kickstart copies are made of what was released; in a release of this kind they would hold updates for good",
}

// Plan lists all that is not laid out yet. Where there is nothing, a run only
// says so.
func (s *layout) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	f, err := s.find(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer f.close()
	plan := pipeline.Plan{
		Title:  fmt.Sprintf("Lay %s out in %s", config.Inert(f.name), s.name),
		Inputs: digest(f.name),
	}
	raised := map[string]bool{}
	for _, a := range f.all {
		if a.tree != "" {
			files, bytes, err := measure(ctx, f.root, a.tree)
			if err != nil {
				return pipeline.Plan{}, err
			}
			a.change.To += fmt.Sprintf(" (%d files of %d bytes)", files, bytes)
		}
		switch a.list {
		case "added":
			plan.Added = append(plan.Added, a.change)
		case "changed":
			plan.Changed = append(plan.Changed, a.change)
		case "removed":
			plan.Removed = append(plan.Removed, a.change)
		}
		plan.Bytes += a.change.Size
		if a.alarm != "" && !raised[a.alarm] {
			raised[a.alarm] = true
			plan.Alarms = append(plan.Alarms, pipeline.Alarm{Word: a.alarm, Text: alarms[a.alarm]})
		}
	}
	return plan, nil
}

// Run does what the plan lists, as far as it is not done. What else there is to do
// by now is not done.
func (s *layout) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	f, err := s.find(env)
	if err != nil {
		return nil, err
	}
	defer f.close()
	planned := map[string]bool{}
	for _, c := range slices.Concat(plan.Added, plan.Changed, plan.Removed) {
		planned[c.Name] = true
	}
	p.Phase("lay out", pipeline.Files, int64(len(f.all)))
	for i, a := range f.all {
		if !planned[a.change.Name] || a.alarm != "" && !slices.ContainsFunc(plan.Alarms, func(m pipeline.Alarm) bool { return m.Word == a.alarm }) {
			return evidence(i), &pipeline.ConflictError{Reason: a.change.Name + " is not as the plan found it", Hint: "plan again"}
		}
		if err := halted(ctx, env); err != nil {
			return evidence(i), err
		}
		p.File(a.change.Name)
		if err := a.do(ctx); err != nil {
			return evidence(i), fmt.Errorf("%s: %w", a.change.Name, err)
		}
		p.Logf("%s: %s", a.change.Name, a.change.To)
		p.Add(1)
	}
	after, err := s.find(env)
	if err != nil {
		return evidence(len(f.all)), err
	}
	defer after.close()
	if len(after.all) > 0 {
		return evidence(len(f.all)), fmt.Errorf("%s is still not as it must be", after.all[0].change.Name)
	}
	return evidence(len(f.all)), nil
}

func evidence(done int) pipeline.Evidence {
	return pipeline.Evidence{"done": strconv.Itoa(done)}
}

// Look tells whether nothing is left to do.
func (s *layout) Look(_ context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	f, err := s.find(env)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer f.close()
	if n := plan.Count(); len(f.all) > 0 {
		return pipeline.Seen{Failed: fmt.Sprintf("%d of %d things are not done yet, the first is %s", len(f.all), n.Added+n.Changed+n.Removed, f.all[0].change.Name)}, nil
	}
	return pipeline.Seen{Done: true, Evidence: evidence(len(plan.Added) + len(plan.Changed) + len(plan.Removed))}, nil
}

// Inputs is a digest of what is not laid out.
func (s *layout) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	f, err := s.find(env)
	if err != nil {
		return "", err
	}
	defer f.close()
	return f.digest(), nil
}
