package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// choose are the targets that a release of a kind is about: those that are named,
// or all; of trees, those whose edition the version is. Where a tree takes
// editions, a version that is none of them is refused with those that are known.
func (e *Engine) choose(kind, version string, named []string) ([]checklist.TargetRef, error) {
	for _, name := range named {
		if _, ok := e.o.Config.Target(name); !ok {
			return nil, &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(name)), Hint: "targets are " + e.targetNames()}
		}
	}
	edition, failed := config.ParseEdition(version)
	if failed == nil {
		failed = edition.Fits(kind)
	}
	var chosen []checklist.TargetRef
	var known []string // trees that take editions
	taken, others := 0, false
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		if len(named) > 0 && !slices.Contains(named, string(t.Name)) {
			continue
		}
		if t.Tree == nil || t.Tree.Major == 0 {
			others = true
		} else {
			known = append(known, fmt.Sprintf("%s (%d, %s)", t.Name, t.Tree.Major, t.Tree.Stream))
			switch {
			case failed == nil && t.Tree.Serves(edition):
				taken++
			case failed == nil && len(named) > 0:
				return nil, &RefusedError{Reason: fmt.Sprintf("%s is not of %s", t.Name, config.Inert(version)), Hint: fmt.Sprintf("it takes %s %d.N", t.Tree.Stream, t.Tree.Major)}
			default:
				continue
			}
		}
		chosen = append(chosen, checklist.TargetRef{Name: string(t.Name), Format: string(t.Format)})
	}
	hint := ""
	if others {
		hint = "; to release other targets alone, name them with --target"
	}
	switch {
	case len(known) == 0:
		return chosen, nil
	case failed != nil:
		return nil, &RefusedError{Reason: failed.Error(), Hint: config.HintOf(failed) + hint}
	case taken == 0:
		return nil, &RefusedError{Reason: fmt.Sprintf("no tree is of %s", config.Inert(version)), Hint: "there are " + strings.Join(known, ", ") + hint}
	}
	return chosen, nil
}

// checklistOf is the checklist of a release of a kind, as it is today, with what
// the configuration binds to its items. A binding to nothing is an error: what it
// was to do would not be done.
func (e *Engine) checklistOf(kind string, targets []checklist.TargetRef) (checklist.Checklist, error) {
	none := checklist.Checklist{}
	templates, err := e.Templates()
	if err != nil {
		return none, err
	}
	var kinds []string
	for _, t := range templates {
		kinds = append(kinds, t.Kinds...)
	}
	i := slices.IndexFunc(templates, func(t *checklist.Template) bool { return t.Serves(kind) })
	if i < 0 {
		return none, &RefusedError{Reason: fmt.Sprintf("no checklist for releases of kind %q", config.Inert(kind)), Hint: "kinds are " + strings.Join(kinds, ", ")}
	}
	if strays := checklist.Strays(templates, e.o.Config); len(strays) > 0 {
		return none, config.Hint(fmt.Errorf("make the checklist: %s: %s", strays[0].Where, strays[0].What), strays[0].Hint)
	}
	bound, err := checklist.Bind(templates[i], e.o.Config, kind, targets)
	if err != nil {
		return none, fmt.Errorf("make the checklist: %w", err)
	}
	list, err := checklist.Resolve(bound, targets)
	if err != nil {
		return none, fmt.Errorf("make the checklist: %w", err)
	}
	return list, nil
}
