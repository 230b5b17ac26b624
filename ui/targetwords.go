package ui

import (
	"slices"

	"gantry/config"
	"gantry/pipeline"
)

// same words how staging stands to production.
func same(v *pipeline.View, t *pipeline.TargetView) (string, role) {
	switch {
	case t.Unseen != "":
		return "UNSEEN", bad
	case t.Drift != "":
		return "DRIFT", bad
	case halfDone(v, t):
		return "HALF DONE", warn
	case t.Busy != "":
		return "busy", accent
	case t.Staging == "":
		return "nothing staged", dim
	case t.InStep() && len(t.Warnings) > 0:
		return "warning", warn
	case t.InStep():
		return "same", ok
	case t.Production == "" && t.Format == string(config.FormatTree):
		return "first sync", warn
	case t.Production == "":
		return "first release", warn
	default:
		return "differs", warn
	}
}

// labels are the names of what a target serves; its format where they have none.
func (m *model) labels(t *pipeline.TargetView) line {
	g := &m.theme.glyphs
	var l line
	if name := t.Label(t.Staging); name != t.Staging {
		l = append(l, span{"  " + config.Inert(name) + " " + g.staging, staging})
	}
	if name := t.Label(t.Production); name != t.Production {
		l = append(l, span{"  " + config.Inert(name) + " " + g.production, production})
	}
	if len(l) == 0 {
		return line{{"  " + config.Inert(t.Format), dim}}
	}
	return l
}

// served is the snapshot at a pointer, in a word where there is none.
func served(t *pipeline.TargetView, id string) string {
	if t.Unseen != "" {
		return "unseen"
	}
	if id == "" && t.Format == string(config.FormatTree) {
		return "no sync" // something may lie there all the same
	}
	return orNone(t.Label(id))
}

// pointed is the same with its id, where it goes by another name.
func pointed(t *pipeline.TargetView, id string) line {
	l := own(strong, config.Inert(served(t, id)))
	if t.Unseen == "" && t.Label(id) != id {
		l = append(l, span{"  sync " + config.Inert(id), dim})
	}
	return l
}

// halfDone tells whether something of a target was begun that nobody goes on
// with.
func halfDone(v *pipeline.View, t *pipeline.TargetView) bool {
	if len(t.Apart) == 0 {
		return false
	}
	return !slices.ContainsFunc(v.Runs, func(r pipeline.RunView) bool { return r.Live && r.Run.Run == t.Busy })
}
