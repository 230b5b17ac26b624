package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Advice is what would make a configuration better though nothing is wrong with
// it; it changes nothing.
func Advice(r *Release) []Finding {
	var found []Finding
	told := map[Name]bool{}
	add := func(where, what, hint string) { found = append(found, Finding{where, what, hint}) }
	for _, t := range r.Targets {
		where := "target " + string(t.Name)
		switch {
		case t.URL != "":
		case t.Format == FormatRPM:
			add(where, "no url: its mirrorlist can only name a local path", "write where clients reach it")
		case t.Format == FormatDEB:
			add(where, "no url: gantry cannot tell clients where it is, nor look at it as they do", "write where clients reach it")
		}
		if t.ValidFor != 0 && time.Duration(t.ValidFor) < 48*time.Hour {
			add(where, "its valid_for is under two days: clients refuse the suite unless it is refreshed every day", "write some days, such as 7d")
		}
	}
	for _, t := range r.Targets {
		if t.Tree == nil {
			continue
		}
		for _, a := range t.Tree.areas() {
			if filepath.IsAbs(a.Root) && !a.Mount {
				add("target "+string(t.Name), "the root of its "+a.name+" need not be mounted: where "+a.Root+" is lost, a sync fills another disk", "write mount: true")
			}
		}
		if t.Tree.Stream == Stable && !slices.Contains(t.Tree.Exclude, "*.~tmp~") {
			add("target "+string(t.Name), "its syncs do not leave *.~tmp~ alone, which is what mirrors and other syncs call files that are not whole yet", `write exclude: ["*.~tmp~"]`)
		}
	}
	for _, b := range r.Items {
		maker, _, _ := strings.Cut(b.Uses, ".")
		if c, ok := r.Command(b.Name()); ok && maker == "command" && len(c.Proofs) == 0 && b.With["creates"] == "" && !told[c.Name] {
			told[c.Name] = true
			add("command "+string(c.Name), "it has no proofs: that it ended with 0 is believed alone", "write proofs: what must be there when it ended well")
		}
	}
	for _, s := range r.Stores {
		if s.Tunnel == "" && open(s.Endpoint) {
			add("store "+string(s.Name), "its endpoint is plain http: requests, their signatures and all data cross the network in clear", "write https://, or reach it through a tunnel")
		}
	}
	for _, g := range r.Registries {
		if g.Tunnel == "" && g.Insecure && !loopback(g.Host) {
			add("registry "+string(g.Name), "it is insecure: passwords and images cross the network in clear", "leave insecure out, or reach it through a tunnel")
		}
	}
	return found
}
