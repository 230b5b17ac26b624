package ui

import (
	"fmt"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// job does a verb on a target, or on several together.
func (t *talk) job(verb string, targets []string) error {
	one := strings.Join(targets, " ")
	flips := verb == "promote" || verb == "rollback"
	switch {
	case flips && len(targets) > 1:
		var jobs []pipeline.Job
		for _, name := range targets {
			jobs = append(jobs, pipeline.Job{Verb: verb, Target: name})
		}
		return t.beginGroup(jobs)
	case verb == "rollback":
		return t.rollback(one)
	}
	return t.begin(pipeline.Job{Verb: verb, Target: one}, false)
}

// resume plans what the last group did not come to.
func (t *talk) resume() error {
	g := t.c.View().Partial
	if g == nil {
		return &pipeline.RefusedError{Reason: "no promotion of several targets moved only in part"}
	}
	return t.beginGroup(remaining(g))
}

// undo plans the way back of what an item did, or of what the last group moved.
func (t *talk) undo(which string) error {
	if which != "" {
		it, err := t.item(which)
		if err != nil {
			return err
		}
		return t.begin(pipeline.Job{Item: it.ID, Undo: true}, false)
	}
	g := t.c.View().Group
	if g == nil || len(g.Moved) == 0 {
		return &pipeline.RefusedError{Reason: "no promotion of several targets moved anything"}
	}
	jobs, err := t.c.Undo(t.ctx, g.Group.Group)
	if err != nil {
		return err
	}
	return t.beginGroup(jobs)
}

// beginGroup plans jobs together, says the plans, asks for the phrase, and moves
// the targets one after another.
func (t *talk) beginGroup(jobs []pipeline.Job) error {
	g, err := t.c.PlanGroup(t.ctx, jobs)
	if err != nil {
		return err
	}
	for _, p := range g.Plans {
		t.sayPlan(p)
	}
	for _, left := range g.Left {
		t.say("Left out: %s", config.Inert(left))
	}
	t.say("This changes PRODUCTION of %s, one after another. To confirm, type: %s", plural(len(g.Plans), "target", "targets"), config.Inert(g.Phrase()))
	typed, ok := t.ask("phrase (empty leaves everything as it is): ")
	if !ok || typed != g.Phrase() {
		t.say("Not confirmed; everything is as it was.")
		return nil
	}
	active, err := t.c.StartGroup(t.ctx, g, typed)
	if err != nil {
		return err
	}
	id := ""
	if active != nil {
		id = active.ID()
	}
	return t.watchGroup(id)
}

// watchGroup says how a group goes, a line when a target moved or another phase
// began, until it ends. The word cancel stops the run that is on.
func (t *talk) watchGroup(id string) error {
	moved, phase := 0, ""
	lines := t.lines
	tick := time.NewTicker(motion)
	defer tick.Stop()
	for {
		run := ""
		if g := t.c.View().Group; g != nil && (id == "" || g.Group.Group == id) {
			if len(g.Moved) != moved {
				moved = len(g.Moved)
				t.say("%s", groupWords(&g.Group))
			}
			if !g.Live {
				return t.sayGroupEnd(g)
			}
			for _, r := range t.c.View().Runs {
				if r.Live && r.Intent.Group == g.Group.Group {
					run = r.Intent.Run
				}
			}
			if now := g.Status.Phase; now != phase {
				phase = now
				t.say("%s", config.Inert(phase))
			}
		}
		select {
		case <-t.ctx.Done():
			return nil
		case text, open := <-lines:
			switch {
			case !open:
				lines = nil // it goes on without somebody to ask
			case strings.TrimSpace(text) == "cancel" && run != "":
				if err := t.told("asked the run to stop", t.c.Cancel(t.ctx, run)); err != nil {
					return err
				}
			default:
				t.say("Targets move; type cancel to stop at the one that is on.")
			}
		case <-tick.C:
		}
	}
}

func (t *talk) sayGroupEnd(g *pipeline.GroupView) error {
	switch {
	case g.Whole():
		t.say("done: %s", groupWords(&g.Group))
		return nil
	case g.Ended == nil:
		return fmt.Errorf("%s; nobody knows why it ended", groupWords(&g.Group))
	}
	hint := "type resume to move the rest"
	if len(g.Moved) > 0 {
		hint += ", or undo to take back what moved"
	}
	return config.Hint(fmt.Errorf("%s", g.Ended.Error), hint)
}
