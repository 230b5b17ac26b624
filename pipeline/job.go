package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// Job is what an operator asks for: an item of the release, or a verb on a
// target.
type Job struct {
	Item   string // id of an item of the release
	Verb   string // or: build, stage, promote, rollback, verify, prune, refresh
	Target string // of a verb
	To     string // of rollback: the snapshot, empty is the one served before
	Of     string // of verify: the pointer, empty is production
	Undo   bool   // take back what the item did
}

// risks is what verbs on targets may change.
var risks = map[string]checklist.Risk{
	"build":    checklist.Staging,
	"stage":    checklist.Staging,
	"verify":   checklist.Safe,
	"promote":  checklist.Production,
	"rollback": checklist.Production,
	"prune":    checklist.Production,
	"refresh":  checklist.Production,
}

// risk is what an item may change: what its template says, or what it uses does
// where that is graver. Neither a template nor a binding can make that harmless.
func risk(item checklist.Item) checklist.Risk {
	if verb, ok := risks[item.Uses]; ok {
		return graver(item.Risk, verb)
	}
	switch in := item.With["in"]; {
	case slices.Contains([]string{"bitflip", "torrent.publish", "filelist"}, item.Uses),
		item.Uses == "hardlink" && (in == "" || in == "production"):
		return checklist.Production
	}
	return graver(item.Risk, checklist.Safe)
}

// graver is the graver of two risks; one that is unknown is taken for the worst.
func graver(a, b checklist.Risk) checklist.Risk {
	rank := func(r checklist.Risk) int {
		switch r {
		case checklist.Safe:
			return 0
		case checklist.Staging:
			return 1
		}
		return 2
	}
	return []checklist.Risk{checklist.Safe, checklist.Staging, checklist.Production}[max(rank(a), rank(b))]
}

// item finds what a job is about. A verb on a target is the item of the release
// that does it, where there is one: so it is ticked off, and waits for what the
// item needs.
func (e *Engine) item(state checklist.State, job Job) (checklist.Item, *checklist.ReleaseState, error) {
	release := e.chosen(state)
	if job.Item == "" && release != nil && !release.ClosedAt.IsZero() {
		release = nil // a verb on a target is no part of what is over
	} else if e.named() != "" && release == nil {
		return checklist.Item{}, nil, &RefusedError{
			Reason: fmt.Sprintf("no release %q", config.Inert(e.named())), Hint: "see those there are: gantry status"}
	}
	if job.Item != "" {
		if release == nil {
			return checklist.Item{}, nil, e.noRelease(state)
		}
		for _, section := range release.Checklist.Sections {
			for _, it := range section.Items {
				if it.ID == job.Item {
					return it, release, nil
				}
			}
		}
		return checklist.Item{}, nil, &RefusedError{
			Reason: fmt.Sprintf("release %s has no item %q", release.ID, config.Inert(job.Item)), Hint: "see its items: gantry status"}
	}
	verbRisk, ok := risks[job.Verb]
	if !ok {
		return checklist.Item{}, nil, fmt.Errorf("no verb %q on targets", config.Inert(job.Verb))
	}
	if _, ok := e.o.Config.Target(job.Target); !ok {
		return checklist.Item{}, nil, &RefusedError{
			Reason: fmt.Sprintf("no target %q", config.Inert(job.Target)), Hint: "targets are " + e.targetNames()}
	}
	with := map[string]string{}
	switch job.Verb {
	case "rollback":
		if job.To != "" {
			with["to"] = job.To
		}
	case "verify":
		with["pointer"] = cmp.Or(job.Of, "production")
	}
	if release != nil && job.To == "" {
		for _, section := range release.Checklist.Sections {
			for _, it := range section.Items {
				if it.Uses == job.Verb && it.Target == job.Target && (job.Verb != "verify" || cmp.Or(it.With["pointer"], "production") == with["pointer"]) {
					return it, release, nil
				}
			}
		}
	}
	return checklist.Item{
		Title: job.Verb + " " + job.Target, Kind: checklist.Step, Uses: job.Verb,
		Target: job.Target, With: with, Risk: verbRisk,
	}, release, nil
}

func (e *Engine) noRelease(state checklist.State) error {
	open := state.OpenReleases()
	if len(open) == 0 {
		return &RefusedError{Reason: "no release is open", Hint: "begin one: gantry open KIND VERSION"}
	}
	ids := make([]string, len(open))
	for i, r := range open {
		ids[i] = r.ID
	}
	return &RefusedError{Reason: "several releases are open", Hint: "choose one with --release: " + strings.Join(ids, ", ")}
}

func (e *Engine) targetNames() string {
	names := make([]string, len(e.o.Config.Targets))
	for i, t := range e.o.Config.Targets {
		names[i] = string(t.Name)
	}
	return strings.Join(names, ", ")
}

// stepOf makes the step of an item, or the one that takes back what it did. What
// a promotion did, a rollback takes back.
func (e *Engine) stepOf(item checklist.Item, undo bool) (Step, error) {
	if undo && item.Uses == "promote" {
		return e.step(checklist.Item{ID: item.ID, Title: item.Title, Kind: item.Kind, Uses: "rollback", Target: item.Target, Risk: item.Risk})
	}
	step, err := e.step(item)
	if err != nil || !undo {
		return step, err
	}
	if r, ok := step.(Reverser); ok {
		return r.Reverse(), nil
	}
	return nil, &RefusedError{Reason: item.Title + " cannot be taken back by the console", Hint: "its help says what there is to do"}
}

// step makes the step of an item. Verbs on a target go to the trade of its
// format; what has a dot (check.key) or a maker of its name goes there.
func (e *Engine) step(item checklist.Item) (Step, error) {
	name, _, _ := strings.Cut(item.Uses, ".")
	if _, verb := risks[item.Uses]; verb {
		t, ok := e.o.Config.Target(item.Target)
		if !ok {
			return nil, &RefusedError{
				Reason: fmt.Sprintf("item %s is about target %q, which the configuration no longer has", item.ID, item.Target),
				Hint:   "bring the target back, or close the release and open it anew"}
		}
		name = string(t.Format)
	}
	maker, ok := e.o.Makers[name]
	if !ok {
		return nil, &RefusedError{
			Reason: fmt.Sprintf("nothing here does %q", config.Inert(item.Uses)),
			Hint:   "a manual item is ticked: gantry tick ITEM --note ..."}
	}
	return maker(e.o.Config, item)
}
