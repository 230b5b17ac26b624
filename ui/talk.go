package ui

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func (t *talk) told(what string, err error) error {
	if err == nil {
		t.say("%s.", what)
	}
	return err
}

// about does something with an item.
func (t *talk) about(word string, it checklist.ItemView) error {
	prompts := map[string]struct {
		asks string
		do   func(context.Context, string, string) error
	}{
		"tick":  {orElse(it.Asks, "What did you see?"), t.c.Tick},
		"waive": {"Why is it skipped?", t.c.Waive},
		"clear": {"Why is it taken back?", t.c.Clear},
		"early": {"Why is it done before its time?", t.c.Early},
	}
	switch word {
	case "item":
		t.describe(it)
		return nil
	case "plan", "run":
		return t.begin(pipeline.Job{Item: it.ID}, word == "plan")
	}
	p := prompts[word]
	text, ok := t.ask(config.Inert(p.asks) + " (empty leaves) ")
	text = strings.TrimSpace(config.Inert(text))
	if !ok || text == "" {
		t.say("Nothing recorded.")
		return nil
	}
	return t.told("recorded", p.do(t.ctx, it.ID, text))
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// begin plans a job, says the plan, asks, and runs it. The default is no.
func (t *talk) begin(job pipeline.Job, look bool) error {
	p, err := t.c.Plan(t.ctx, job)
	if err != nil {
		return err
	}
	t.sayPlan(p)
	if look {
		return nil
	}
	typed, ok := "", false
	word, _, _ := riskOf(p.Risk)
	switch {
	case p.Guarded():
		t.say("This changes %s. To confirm, type: %s", word, config.Inert(p.Phrase()))
		typed, ok = t.ask("phrase (empty leaves everything as it is): ")
		ok = ok && typed == p.Phrase()
	case p.Risk == checklist.Safe:
		ok = true
	default:
		typed, ok = t.ask("Run this (" + word + ")? y/N: ")
		ok = ok && (typed == "y" || typed == "yes")
		typed = ""
	}
	if !ok {
		t.say("Not confirmed; everything is as it was.")
		return nil
	}
	before := map[string]bool{}
	for _, r := range t.c.View().Runs {
		before[r.Run.Run] = true
	}
	active, err := t.c.Start(t.ctx, p, typed)
	if err != nil {
		return err
	}
	var over <-chan struct{}
	if active != nil {
		over = active.Done()
	}
	return t.watch(p, before, over)
}

// watch says how a run goes, a line when its phase changes, until it ends. The
// word cancel stops it.
func (t *talk) watch(p pipeline.Plan, before map[string]bool, over <-chan struct{}) error {
	phase, run := "", ""
	lines := t.lines
	tick := time.NewTicker(motion)
	defer tick.Stop()
	for ended := false; ; {
		for _, r := range t.c.View().Runs {
			if before[r.Run.Run] || r.Verb != p.Verb || r.Target != p.Target {
				continue
			}
			run = r.Run.Run
			if !r.Live && r.Ended != nil {
				t.say("%s: %s", r.State(), config.Inert(r.Title))
				t.sayEnd(r)
				return nil
			}
			if r.Status.Phase != phase {
				phase = r.Status.Phase
				t.say("%s", config.Inert(phase))
			}
		}
		if ended {
			t.say("Nobody knows how it ended; type resolve %s to look.", config.Inert(run))
			return nil
		}
		select {
		case <-t.ctx.Done():
			return nil
		case <-over:
			ended = true
		case text, open := <-lines:
			switch {
			case !open:
				lines = nil // the run goes on without somebody to ask
			case strings.TrimSpace(text) == "cancel" && run != "":
				if err := t.told("asked the run to stop", t.c.Cancel(t.ctx, run)); err != nil {
					return err
				}
			default:
				t.say("A run is live; type cancel to stop it.")
			}
		case <-tick.C:
		}
	}
}

func (t *talk) sayEnd(r pipeline.RunView) {
	if r.Ended.Error != "" {
		t.say("  %s", config.Inert(r.Ended.Error))
	}
	if r.Ended.Hint != "" {
		t.say("  What to do: %s", config.Inert(r.Ended.Hint))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Ended.Evidence)) {
		t.say("  %s: %s", config.Inert(name), config.Inert(r.Ended.Evidence[name]))
	}
}

// rollback lets an earlier snapshot be chosen.
func (t *talk) rollback(target string) error {
	for _, tv := range t.c.View().Targets {
		if tv.Name != target {
			continue
		}
		from := earlier(&tv)
		if len(from) == 0 {
			return &pipeline.RefusedError{Reason: "production of " + target + " served nothing else before"}
		}
		for i, s := range from {
			t.say("  %d  %s, published %s UTC", i+1, config.Inert(s.ID), clock(s.Published, t.o.Now()))
		}
		text, ok := t.ask("Back to which number (empty leaves)? ")
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if !ok || err != nil || n < 1 || n > len(from) {
			t.say("Nothing chosen.")
			return nil
		}
		return t.begin(pipeline.Job{Verb: "rollback", Target: target, To: from[n-1].ID}, false)
	}
	return &pipeline.RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "type targets"}
}

func (t *talk) lift() error {
	phrase := t.c.LiftPhrase()
	if phrase == "" {
		return errors.New("there is no hold")
	}
	typed, ok := t.ask("To let the line run again, type: " + config.Inert(phrase) + ": ")
	if !ok || typed != phrase {
		t.say("Not confirmed; the hold stands.")
		return nil
	}
	return t.told("lifted", t.c.Lift(t.ctx, typed))
}

// mayQuit asks where runs of this console are live.
func (t *talk) mayQuit() bool {
	live := 0
	for _, r := range t.c.View().Runs {
		if r.Own && r.Live {
			live++
		}
	}
	if live == 0 {
		return true
	}
	text, ok := t.ask(plural(live, "run is", "runs are") + " live in this console, which ends when they are over. Quit? y/N: ")
	return !ok || text == "y"
}
