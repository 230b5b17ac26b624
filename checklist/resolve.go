package checklist

import (
	"fmt"
	"strings"
	"time"
)

// TargetRef is a target as far as checklists know of it.
type TargetRef struct {
	Name   string
	Format string
}

// Resolve makes the checklist of a release from a template. An item for each
// target becomes one item per target, in the targets' order, with the id
// <id>:<target>; it needs the items of the same target, and other items need
// those of all. Without targets such a template is an error: nothing would be
// done, and that would pass.
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
	each := map[string]bool{}
	for _, section := range t.Sections {
		for _, it := range section.Items {
			each[it.ID] = it.Each != ""
			if it.Each != "" && len(targets) == 0 {
				return Checklist{}, fmt.Errorf("checklist %s: %q is to be done for each target, and there is none", t.Name, it.Title)
			}
		}
	}
	for _, section := range t.Sections {
		s := Section{ID: section.ID, Title: section.Title, Note: section.Note}
		for _, it := range section.Items {
			if it.Each == "" {
				s.Items = append(s.Items, it.plain(each, targets))
				continue
			}
			for _, target := range targets {
				s.Items = append(s.Items, it.of(target.Name, each))
			}
		}
		list.Sections = append(list.Sections, s)
	}
	return list, nil
}

// plain is the one item of a template item that is not for each target.
func (it TemplateItem) plain(each map[string]bool, targets []TargetRef) Item {
	item := it.fields()
	for _, need := range it.Needs {
		if !each[need] {
			item.Needs = append(item.Needs, need)
			continue
		}
		for _, target := range targets {
			item.Needs = append(item.Needs, need+":"+target.Name)
		}
	}
	return item
}

// of is the item of one target.
func (it TemplateItem) of(target string, each map[string]bool) Item {
	item := it.fields()
	item.ID, item.Target = it.ID+":"+target, target
	for _, text := range []*string{&item.Title, &item.Asks, &item.Help} {
		*text = strings.ReplaceAll(*text, "{target}", target)
	}
	for _, need := range it.Needs {
		if each[need] {
			need += ":" + target
		}
		item.Needs = append(item.Needs, need)
	}
	if item.Window != nil && each[item.Window.After] {
		item.Window.After += ":" + target
	}
	return item
}

// fields are those that all items of a template item share.
func (it TemplateItem) fields() Item {
	item := Item{
		ID: it.ID, Title: it.Title, Kind: it.Kind, Uses: it.Uses, With: it.With,
		Risk: it.Risk, Killer: it.Killer, Asks: it.Asks, Help: it.Help, Who: it.Who,
	}
	if w := it.Window; w != nil {
		item.Window = &Window{
			After: w.After, Before: w.Before,
			Opens: time.Duration(w.Opens), Closes: time.Duration(w.Closes),
		}
	}
	return item
}
