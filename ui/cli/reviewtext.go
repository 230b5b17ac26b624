package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gantry/pipeline"
)

// printReviews prints what an operator reads on a patch day: what is alarming
// first in each repository, then upgrades with what they bring.
func (a *app) printReviews(j reviewsJSON) {
	for i, r := range j.Reviews {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintln(a.out, a.paint(a.outTTY, bold, r.Target))
		fmt.Fprintf(a.out, "  production %s -> staging %s\n", orNothing(r.From), orNothing(r.To))
		for _, note := range r.Notes {
			a.note(note)
		}
		for i := range r.Repos {
			if r.Repos[i].Differs() {
				a.printRepo(&r.Repos[i])
			}
		}
	}
	t := j.Totals
	fmt.Fprintf(a.out, "\n%d of %s differ: %d upgraded, %d added, %d rebuilt, %s, %s\n", t.Differ, counted(t.Repos, "repository", "repositories"),
		t.Upgraded, t.Added, t.Rebuilt, a.alarm(t.Downgraded, "DOWNGRADED"), a.alarm(t.Removed, "REMOVED"))
	if t.Failed > 0 {
		fmt.Fprintln(a.out, a.alarm(t.Failed, "NOT COMPARED"))
	}
	if len(t.Advisories) > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(t.Advisories)) {
			parts = append(parts, fmt.Sprintf("%d %s", t.Advisories[name], name))
		}
		fmt.Fprintln(a.out, "new advisories:", strings.Join(parts, ", "))
	}
}

// alarm is a number of what should not be there; red where it is.
func (a *app) alarm(n int, word string) string {
	text := fmt.Sprintf("%d %s", n, word)
	if n == 0 {
		return text
	}
	return a.paint(a.outTTY, red, text)
}

// counted is a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (a *app) note(text string) {
	fmt.Fprintln(a.out, "  "+a.paint(a.outTTY, yellow, "note:"), text)
}

func (a *app) printRepo(r *pipeline.ReviewedRepo) {
	if r.Name+r.Arch != "" {
		fmt.Fprintf(a.out, "\n  %s  %s\n", a.paint(a.outTTY, bold, strings.TrimSpace(r.Name+" "+r.Arch)), a.paint(a.outTTY, faint, r.Path))
	}
	if r.Error != "" {
		fmt.Fprintln(a.out, "  "+a.paint(a.outTTY, red, "NOT COMPARED"), r.Error)
		return
	}
	for _, note := range r.Notes {
		a.note(note)
	}
	switch {
	case r.New:
		fmt.Fprintf(a.out, "  new repository of %s\n", counted(len(r.Added), "package", "packages"))
	case r.Gone:
		fmt.Fprintf(a.out, "  %s of %s\n", a.paint(a.outTTY, red, "REMOVED repository"), counted(len(r.Removed), "package", "packages"))
	default:
		a.printChanged(r)
	}
	for _, one := range r.Advisories {
		fmt.Fprintln(a.out, "  "+a.paint(a.outTTY, yellow, "advisory"), strings.Join(slices.DeleteFunc([]string{one.ID, one.Type, one.Severity, one.Title, strings.Join(one.CVEs, " ")},
			func(s string) bool { return s == "" }), "  "))
	}
}

func (a *app) printChanged(r *pipeline.ReviewedRepo) {
	severity := map[string]string{}
	for _, one := range r.Advisories {
		severity[one.ID] = " (" + weight(one) + ")"
	}
	for _, p := range r.Downgraded {
		fmt.Fprintf(a.out, "  %s %s.%s  %s -> %s\n", a.paint(a.outTTY, red, "DOWNGRADE"), p.Name, p.Arch, p.From, p.To)
	}
	for _, p := range r.Removed {
		fmt.Fprintf(a.out, "  %s %s.%s  %s\n", a.paint(a.outTTY, red, "REMOVED"), p.Name, p.Arch, p.From)
	}
	for _, g := range bySource(r.Upgraded) {
		first := g[0]
		ids := ""
		for _, id := range advised(g) {
			ids += "  " + a.paint(a.outTTY, yellow, id+severity[id])
		}
		fmt.Fprintf(a.out, "  %s %s  %s -> %s%s\n", a.paint(a.outTTY, green, "upgrade"), packagesOf(g), first.From, first.To, ids)
		for _, e := range first.Changelog {
			fmt.Fprintf(a.out, "      %s\n", a.paint(a.outTTY, faint, e.Time.Format("2006-01-02")+" "+e.Author))
			for line := range strings.Lines(e.Text) {
				fmt.Fprintln(a.out, "        "+strings.TrimRight(line, "\n"))
			}
		}
	}
	for _, list := range []struct {
		word     string
		packages []pipeline.ReviewedPackage
	}{{"added", r.Added}, {"rebuilt", r.Rebuilt}} {
		for _, p := range list.packages {
			ids := ""
			for _, id := range p.Advisories {
				ids += "  " + a.paint(a.outTTY, yellow, id+severity[id])
			}
			fmt.Fprintf(a.out, "  %s %s.%s  %s%s\n", list.word, p.Name, p.Arch, p.To, ids)
		}
	}
}

// bySource puts upgrades that were built of one source, and say the same, in one
// group: a kernel has some forty packages and one changelog.
func bySource(all []pipeline.ReviewedPackage) [][]pipeline.ReviewedPackage {
	type key struct{ source, from, to, log string }
	at := map[key]int{}
	var groups [][]pipeline.ReviewedPackage
	for _, p := range all {
		k := key{p.Source, p.From, p.To, fmt.Sprint(p.Changelog)}
		i, there := at[k]
		if !there || p.Source == "" {
			i, at[k] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// advised are the ids of the errata that name any of a group.
func advised(group []pipeline.ReviewedPackage) []string {
	var ids []string
	for _, p := range group {
		ids = append(ids, p.Advisories...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// packagesOf are the packages of a group, the first few by name.
func packagesOf(group []pipeline.ReviewedPackage) string {
	const most = 4
	var names []string
	for _, p := range group[:min(len(group), most)] {
		names = append(names, p.Name+"."+p.Arch)
	}
	text := strings.Join(names, ", ")
	if more := len(group) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
