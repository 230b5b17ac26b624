package checklist

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"gantry/config"
)

var (
	idForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	usesForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}(\.[a-z][a-z0-9-]{0,31})?$`)
)

const idHint = "use lower-case letters, digits, - . and _"

// lint finds what is wrong with a decoded template, every mistake with the
// place in data where it was written.
func lint(file string, data []byte, t *Template) error {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	l := &linter{file: file, root: root.Content[0], items: map[string]TemplateItem{}, places: map[string]place{}}
	l.head(t)
	l.all(t, func(at place, it TemplateItem) {
		if _, ok := l.items[it.ID]; ok {
			l.bad(at.sub("id"), fmt.Sprintf("another item has the id %q", it.ID), "give each its own")
			return
		}
		l.items[it.ID], l.places[it.ID] = it, at
	})
	l.all(t, func(at place, it TemplateItem) {
		l.item(at, it)
		l.needs(at, it)
		l.window(at.sub("window"), it)
	})
	l.cycles(t)
	if len(l.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(l.errs, func(a, b config.Error) int {
		return cmp.Or(a.Line-b.Line, a.Col-b.Col)
	})
	return l.errs
}

type linter struct {
	file   string
	root   *yaml.Node
	items  map[string]TemplateItem
	places map[string]place // where each item is written
	errs   config.Errors
}

// place is where a value stands: keys and indexes from the root of the file.
type place []any

func (p place) sub(more ...any) place { return append(p[:len(p):len(p)], more...) }

// bad notes a mistake at a place, or as near to it as the file goes along.
func (l *linter) bad(at place, what, hint string) {
	node := l.root
	for _, step := range at {
		next := follow(node, step)
		if next == nil {
			break
		}
		node = next
	}
	l.errs = append(l.errs, config.Error{File: l.file, Line: node.Line, Col: node.Column, What: what, Hint: hint})
}

func follow(node *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case int:
		if node.Kind == yaml.SequenceNode && step < len(node.Content) {
			return node.Content[step]
		}
	}
	return nil
}

// all visits every item with its place.
func (l *linter) all(t *Template, visit func(place, TemplateItem)) {
	for i, section := range t.Sections {
		for j, it := range section.Items {
			visit(place{"sections", i, "items", j}, it)
		}
	}
}

func (l *linter) head(t *Template) {
	if _, err := config.ParseName(t.Name); err != nil {
		l.bad(place{"name"}, "name: "+err.Error(), "")
	}
	if t.Title == "" {
		l.bad(place{"title"}, "the checklist has no title", "write title: ...")
	}
	if len(t.Kinds) == 0 {
		l.bad(place{"kinds"}, "the checklist serves no kind of release", "write kinds: [patch] or others")
	}
	for i, kind := range t.Kinds {
		if _, err := config.ParseName(kind); err != nil {
			l.bad(place{"kinds", i}, "kind: "+err.Error(), "")
		}
	}
	if len(t.Sections) == 0 {
		l.bad(place{"sections"}, "the checklist has no sections", "write at least one: a release would pass with nothing done")
	}
	ids := map[string]bool{}
	for i, section := range t.Sections {
		at := place{"sections", i}
		switch {
		case !idForm.MatchString(section.ID):
			l.bad(at.sub("id"), fmt.Sprintf("%q is not the id of a section", section.ID), idHint)
		case ids[section.ID]:
			l.bad(at.sub("id"), fmt.Sprintf("another section has the id %q", section.ID), "give each its own")
		}
		ids[section.ID] = true
		if section.Title == "" {
			l.bad(at.sub("title"), "the section has no title", "write title: ...")
		}
		if len(section.Items) == 0 {
			l.bad(at.sub("items"), "the section has no items", "write at least one, or leave the section out")
		}
	}
}

func (l *linter) item(at place, it TemplateItem) {
	if !idForm.MatchString(it.ID) {
		l.bad(at.sub("id"), fmt.Sprintf("%q is not the id of an item", it.ID), idHint)
	}
	if it.Title == "" {
		l.bad(at.sub("title"), "the item has no title", "write title: ...")
	}
	switch it.Kind {
	case Manual:
		if it.Uses != "" {
			l.bad(at.sub("uses"), "a manual item is done by a person and uses nothing", "make it a check or a step")
		}
	case Check, Step:
		if !usesForm.MatchString(it.Uses) {
			l.bad(at.sub("uses"), fmt.Sprintf("the %s does not say what makes it", it.Kind), "write uses: verify, check.key, command or another")
		}
		if it.Asks != "" {
			l.bad(at.sub("asks"), fmt.Sprintf("a %s asks nobody", it.Kind), "make it manual, or leave asks out")
		}
	default:
		l.bad(at.sub("kind"), fmt.Sprintf("%q is not a kind of item", it.Kind), "write manual, check or step")
	}
	switch {
	case it.Wants == "":
	case !slices.Contains(wants, it.Wants):
		l.bad(at.sub("wants"), fmt.Sprintf("%q is not a form of evidence", it.Wants), "write url, digest, id or text")
	case it.Asks == "":
		l.bad(at.sub("wants"), "the item wants a form and asks for nothing", "write asks: what is to be recorded")
	}
	if len(it.Formats) > 0 && it.Each == "" {
		l.bad(at.sub("formats"), "the item is not for each target, so their formats mean nothing", "write each: target, or leave formats out")
	}
	for i, format := range it.Formats {
		if new(config.Format).UnmarshalText([]byte(format)) != nil {
			l.bad(at.sub("formats", i), fmt.Sprintf("%q is not a format of targets", format), "write rpm, deb, oci or tree")
		}
	}
	if len(it.With) > 0 && it.Uses == "" {
		l.bad(at.sub("with"), "these are options of what the item uses, and it uses nothing", "leave with out")
	}
	switch {
	case it.Risk == "" && it.Kind == Step:
		l.bad(at.sub("risk"), "the step does not say its risk", "write risk: safe, staging or production")
	case it.Kind == Check && it.Risk != "" && it.Risk != Safe:
		l.bad(at.sub("risk"), "a check changes nothing", "write risk: safe, or leave it out")
	case it.Risk != "" && it.Risk != Safe && it.Risk != Staging && it.Risk != Production:
		l.bad(at.sub("risk"), fmt.Sprintf("%q is not a risk", it.Risk), "write safe, staging or production")
	}
	switch {
	case it.Each != "" && it.Each != "target":
		l.bad(at.sub("each"), fmt.Sprintf("an item cannot be for each %q", it.Each), "write each: target")
	case it.Each == "" && strings.Contains(it.Title+it.Asks+it.Help, "{target}"):
		l.bad(at, "the item speaks of {target} and is not for each", "write each: target")
	}
}

func (l *linter) needs(at place, it TemplateItem) {
	for i, need := range it.Needs {
		switch _, ok := l.items[need]; {
		case !ok:
			l.bad(at.sub("needs", i), fmt.Sprintf("there is no item %q", need), "write the id of an item of this checklist")
		case slices.Contains(it.Needs[:i], need):
			l.bad(at.sub("needs", i), fmt.Sprintf("%q is needed twice", need), "keep one of them")
		}
	}
}

func (l *linter) window(at place, it TemplateItem) {
	win := it.Window
	if win == nil {
		return
	}
	after, known := l.items[win.After]
	switch {
	case (win.After == "") == (win.Before == ""):
		l.bad(at, "a window counts from one thing", "write after: ITEM or before: due")
	case win.Before != "" && win.Before != "due":
		l.bad(at.sub("before"), fmt.Sprintf("a window cannot count back from %q", win.Before), "write before: due")
	case win.After != "" && !known:
		l.bad(at.sub("after"), fmt.Sprintf("there is no item %q", win.After), "write the id of an item of this checklist")
	case win.After != "" && after.Each != "" && it.Each == "":
		l.bad(at.sub("after"), fmt.Sprintf("%q is done once for each target", win.After), "count from an item that is done once")
	case win.After != "" && len(after.Formats) > 0 && !within(it.Formats, after.Formats):
		l.bad(at.sub("after"), fmt.Sprintf("%q is not done for all targets that this item is for", win.After), "give both the same formats")
	case win.Opens < 0 || win.Closes < 0:
		l.bad(at, "a span is below zero", "write spans such as 24h or 2d")
	case win.After != "" && win.Opens == 0 && win.Closes == 0:
		l.bad(at, "the window neither opens nor closes", "write opens: 24h, or needs: instead of a window")
	case win.After != "" && win.Closes != 0 && win.Closes <= win.Opens:
		l.bad(at, "the window closes before it opens", "give closes the longer span, counted from the same time")
	case win.Before != "" && win.Opens != 0 && win.Closes >= win.Opens:
		l.bad(at, "the window closes before it opens", "give closes the shorter span, counted back from the same time")
	}
}

// cycles finds items that need themselves, directly or through others.
func (l *linter) cycles(t *Template) {
	const under, over = 1, 2
	state := map[string]int{}
	var visit func(id string, path []string)
	visit = func(id string, path []string) {
		it, ok := l.items[id]
		if !ok || state[id] == over {
			return
		}
		path = append(path, id)
		if state[id] == under {
			circle := strings.Join(path[slices.Index(path, id):], " needs ")
			l.bad(l.places[id].sub("needs"), "the item needs itself: "+circle, "take one of these needs out")
			return
		}
		state[id] = under
		for _, need := range it.Needs {
			visit(need, path)
		}
		if it.Window != nil && it.Window.After != "" {
			visit(it.Window.After, path)
		}
		state[id] = over
	}
	l.all(t, func(_ place, it TemplateItem) { visit(it.ID, nil) })
}

// within tells whether each of some formats, which are all where there are none,
// is among others.
func within(some, others []string) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(f string) bool { return !slices.Contains(others, f) })
}
