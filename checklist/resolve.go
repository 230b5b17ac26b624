package checklist

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// TargetRef is a target as far as checklists know of it.
type TargetRef struct {
	Name   string
	Format string
}

// Resolve makes the checklist of a release from a template. An item for each
// target becomes one item per target that it is for, in the targets' order, with
// the id <id>:<target>; it needs the items of the same target, and other items
// need those of all. In the place of an item that there is none of stands what it
// needs itself. Where nothing would be left to do, and that would pass, it is an
// error.
func Resolve(t *Template, targets []TargetRef) (Checklist, error) {
	list := Checklist{
		Template: t.Name, Title: t.Title, Owner: t.Owner,
		Contacts: t.Contacts, Channels: t.Channels,
	}
	names := map[string]bool{}
	for _, target := range targets {
		if target.Name == "" || names[target.Name] {
			return Checklist{}, fmt.Errorf("checklist %s: target %q is nameless or there twice", t.Name, target.Name)
		}
		names[target.Name] = true
	}
	r := resolver{items: map[string]TemplateItem{}, targets: targets, found: map[[2]string][]string{}}
	for _, section := range t.Sections {
		for _, it := range section.Items {
			r.items[it.ID] = it
			if it.Each != "" && len(targets) == 0 {
				return Checklist{}, fmt.Errorf("checklist %s: %q is to be done for each target, and there is none", t.Name, it.Title)
			}
		}
	}
	for _, section := range t.Sections {
		s := Section{ID: section.ID, Title: section.Title, Note: section.Note}
		for _, it := range section.Items {
			made, err := r.made(it)
			if err != nil {
				return Checklist{}, fmt.Errorf("checklist %s: %w", t.Name, err)
			}
			s.Items = append(s.Items, made...)
		}
		if len(s.Items) > 0 {
			list.Sections = append(list.Sections, s)
		}
	}
	if len(list.Sections) == 0 {
		return Checklist{}, fmt.Errorf("checklist %s: none of its items is for the targets of this release", t.Name)
	}
	return list, nil
}

// resolver makes items of those of a template.
type resolver struct {
	items   map[string]TemplateItem
	targets []TargetRef
	found   map[[2]string][]string // what stands for an item and a target, or all: many ways lead to it
}

// covers tells whether an item is made for a target.
func (it TemplateItem) covers(t TargetRef) bool {
	return it.Each != "" &&
		(len(it.Formats) == 0 || slices.Contains(it.Formats, t.Format)) &&
		(len(it.only) == 0 || slices.Contains(it.only, t.Name))
}

// made are the items of a template item.
func (r resolver) made(it TemplateItem) ([]Item, error) {
	if it.Each == "" {
		item := it.fields()
		item.Needs = r.needs(it.Needs, nil)
		return []Item{item}, nil
	}
	var all []Item
	for _, target := range r.targets {
		if !it.covers(target) {
			continue
		}
		item := it.fields()
		item.ID, item.Target = it.ID+":"+target.Name, target.Name
		for _, text := range []*string{&item.Title, &item.Asks, &item.Help} {
			*text = strings.ReplaceAll(*text, "{target}", target.Name)
		}
		item.Needs = r.needs(it.Needs, &target)
		if w := item.Window; w != nil && w.After != "" && r.items[w.After].Each != "" {
			if !r.items[w.After].covers(target) {
				return nil, fmt.Errorf("%q counts from %q, which is not done for %s", it.Title, r.items[w.After].Title, target.Name)
			}
			w.After += ":" + target.Name
		}
		all = append(all, item)
	}
	return all, nil
}

// needs are the ids of the items that an item needs, one of a target where it is
// given.
func (r resolver) needs(ids []string, of *TargetRef) []string {
	var all []string
	for _, id := range ids {
		for _, one := range r.ones(id, of) {
			if !slices.Contains(all, one) {
				all = append(all, one)
			}
		}
	}
	return all
}

// ones are the ids of the items that stand for one of the template.
func (r resolver) ones(id string, of *TargetRef) (ones []string) {
	key := [2]string{id}
	if of != nil {
		key[1] = of.Name
	}
	if ones, ok := r.found[key]; ok {
		return ones
	}
	need := r.items[id]
	for _, target := range r.targets {
		if need.covers(target) && (of == nil || of.Name == target.Name) {
			ones = append(ones, id+":"+target.Name)
		}
	}
	switch {
	case need.Each == "":
		ones = []string{id}
	case of == nil && len(ones) > 0:
		// What stands for it may not be for all that those before it in its chain are
		// for: nothing begins before these, too, are done.
		ones = append(ones, r.others(need, ones)...)
	case len(ones) == 0:
		ones = r.needs(need.Needs, of)
	}
	r.found[key] = ones
	return ones
}

// others are the items of targets that an item is not for, of those that it needs.
func (r resolver) others(it TemplateItem, ones []string) (all []string) {
	for _, target := range r.targets {
		if slices.Contains(ones, it.ID+":"+target.Name) {
			continue
		}
		for _, one := range r.needs(it.Needs, &target) {
			if strings.HasSuffix(one, ":"+target.Name) {
				all = append(all, one)
			}
		}
	}
	return all
}

// fields are those that all items of a template item share.
func (it TemplateItem) fields() Item {
	item := Item{
		ID: it.ID, Title: it.Title, Kind: it.Kind, Uses: it.Uses, With: it.With,
		Risk: it.Risk, Killer: it.Killer, Asks: it.Asks, Wants: it.Wants, Help: it.Help, Who: it.Who,
	}
	if w := it.Window; w != nil {
		item.Window = &Window{
			After: w.After, Before: w.Before,
			Opens: time.Duration(w.Opens), Closes: time.Duration(w.Closes),
		}
	}
	return item
}
