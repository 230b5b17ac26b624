package checklist

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gantry/config"
)

// Bind returns a copy of a template in which items are done by what a
// configuration binds to them, for a release of a kind about some targets, and
// which names the people of the configuration. Several bindings of one item are
// done one after another: the last has the id of the item, those before it
// <id>.1 and so on; targets that none of them is for keep the item as <id>.0. What
// is about a tree is done for each tree of the release, and in a release without
// one such items stay as they are. A binding of the kind to an item that the
// template lacks is an error.
func Bind(t *Template, cfg *config.Release, kind string, targets []TargetRef) (*Template, error) {
	b := binder{kind: kind, targets: targets, items: map[string]TemplateItem{}}
	for _, section := range t.Sections {
		for _, it := range section.Items {
			b.items[it.ID] = it
		}
	}
	by := map[string][]config.Binding{}
	for _, one := range cfg.Items {
		if _, known := b.items[one.Item]; !known && slices.Contains(one.Kinds, kind) {
			return nil, config.Hint(fmt.Errorf("the checklist %s has no item %q to be done by %s", t.Name, one.Item, one.Uses),
				"its items are "+strings.Join(slices.Sorted(maps.Keys(b.items)), ", "))
		}
		if b.applies(one) {
			by[one.Item] = append(by[one.Item], one)
		}
	}
	bound := *t
	bound.Owner = cmp.Or(cfg.People.Owner, t.Owner)
	if cfg.People.Contacts != nil {
		bound.Contacts = cfg.People.Contacts
	}
	if cfg.People.Channels != nil {
		bound.Channels = cfg.People.Channels
	}
	bound.Sections = slices.Clone(t.Sections)
	for i := range bound.Sections {
		var items []TemplateItem
		for _, it := range bound.Sections[i].Items {
			items = append(items, b.chain(it, by[it.ID])...)
		}
		bound.Sections[i].Items = items
	}
	b.windows(&bound)
	return &bound, nil
}

// Strays are the bindings of a configuration to items that no template for their
// kinds has, in words.
func Strays(templates []*Template, cfg *config.Release) []config.Finding {
	var found []config.Finding
	for _, one := range cfg.Items {
		kinds := one.Kinds
		if len(kinds) == 0 {
			kinds = []string{""}
		}
		for _, kind := range kinds {
			if slices.ContainsFunc(templates, func(t *Template) bool { return (kind == "" || t.Serves(kind)) && t.has(one.Item) }) {
				continue
			}
			what, hint := "no checklist has such an item", "take the id of one: gantry status --all, or write a checklist of your own that has it"
			if kind != "" {
				what = "no checklist of releases of kind " + kind + " has such an item"
			}
			found = append(found, config.Finding{Where: "item " + config.Inert(one.Item), What: what, Hint: hint})
		}
	}
	return found
}

func (t *Template) has(id string) bool {
	return slices.ContainsFunc(t.Sections, func(s TemplateSection) bool {
		return slices.ContainsFunc(s.Items, func(it TemplateItem) bool { return it.ID == id })
	})
}

// binder binds the items of a template.
type binder struct {
	kind    string
	targets []TargetRef
	items   map[string]TemplateItem // as they were
}

// applies tells whether a binding is for the release.
func (b binder) applies(one config.Binding) bool {
	about := func(t TargetRef) bool {
		return (len(one.Targets) == 0 || slices.Contains(one.Targets, config.Name(t.Name))) &&
			(!one.OfTree() || t.Format == string(config.FormatTree))
	}
	return (len(one.Kinds) == 0 || slices.Contains(one.Kinds, b.kind)) &&
		(len(one.Targets) == 0 && !one.OfTree() || slices.ContainsFunc(b.targets, about))
}

// chain are the items that do what one of a template is about, the last of which
// stands for it.
func (b binder) chain(it TemplateItem, by []config.Binding) []TemplateItem {
	if len(by) == 0 {
		return []TemplateItem{it}
	}
	var all []TemplateItem
	if rest := b.rest(it, by); rest.only != nil {
		all = append(all, rest)
	}
	for i, one := range by {
		step := b.bound(it, one)
		if i < len(by)-1 {
			step.ID = fmt.Sprintf("%s.%d", it.ID, i+1)
			step.Title = one.Name() + ": " + it.Title // what tells them apart first: titles are cut at their ends
		}
		step.Needs = slices.Clone(it.Needs)
		if len(all) > 0 {
			step.Needs = append(step.Needs, all[len(all)-1].ID)
		}
		all = append(all, b.named(step))
	}
	return all
}

// rest is an item for those of its targets that no binding is for: they keep it as
// it is, under the id <id>.0. Its only are nil where there are none.
func (b binder) rest(it TemplateItem, by []config.Binding) TemplateItem {
	rest := it
	rest.ID, rest.only = it.ID+".0", nil
	for _, target := range b.targets {
		if it.covers(target) && !slices.ContainsFunc(by, func(one config.Binding) bool { return b.bound(it, one).covers(target) }) {
			rest.only = append(rest.only, target.Name)
		}
	}
	return rest
}

// bound is an item as a binding does it. Its risk is at least that of the
// template, and of a step never less than what a hold stops.
func (b binder) bound(it TemplateItem, one config.Binding) TemplateItem {
	it.Uses, it.With, it.Asks, it.Wants = one.Uses, maps.Clone(one.With), "", ""
	it.Kind = Step
	switch {
	case one.Observes():
		it.Kind, it.Risk = Check, Safe
	case it.Risk == Safe || it.Risk == "":
		it.Risk = Staging
	}
	if one.OfTree() {
		it.Each, it.Formats = "target", []string{string(config.FormatTree)}
	}
	for _, name := range one.Targets {
		it.only = append(it.only, string(name))
	}
	return it
}

// named is an item whose title tells its targets apart, where there are several.
func (b binder) named(it TemplateItem) TemplateItem {
	several := 0
	for _, target := range b.targets {
		if it.covers(target) {
			several++
		}
	}
	if several > 1 && !strings.Contains(it.Title, "{target}") {
		it.Title += " ({target})"
	}
	return it
}

// windows makes items that count from one which is done for each target be done
// for each, too: a count cannot begin several times.
func (b binder) windows(t *Template) {
	for changed := true; changed; {
		changed = false
		now := map[string]TemplateItem{}
		for _, section := range t.Sections {
			for _, it := range section.Items {
				now[it.ID] = it
			}
		}
		for _, section := range t.Sections {
			for i, it := range section.Items {
				if it.Each != "" || it.Window == nil || now[it.Window.After].Each == "" {
					continue
				}
				after := now[it.Window.After]
				it.Each, it.Formats, it.only = after.Each, after.Formats, after.only
				section.Items[i] = b.named(it)
				changed = true
			}
		}
	}
}
