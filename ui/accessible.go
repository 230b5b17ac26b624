package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// talk is the console in lines and prompts, for screen readers and terminals
// that cannot be painted. It says the same words as the screen.
type talk struct {
	ctx   context.Context
	c     Console
	o     Options
	lines chan string // what is typed; closed at the end of the input
	out   io.Writer
}

// converse runs the console in lines until it is left.
func converse(ctx context.Context, c Console, o Options) error {
	t := &talk{ctx: ctx, c: c, o: o, lines: make(chan string), out: o.Output}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	// A read of a terminal cannot be called off: when ctx ends amid one, the
	// reader ends with the next line or the program.
	go func() {
		defer close(t.lines)
		in := bufio.NewScanner(o.Input)
		for in.Scan() {
			select {
			case t.lines <- in.Text():
			case <-within.Done():
				return
			}
		}
	}()
	t.status()
	t.say("Type help for the commands.")
	for {
		text, ok := t.ask("gantry> ")
		if !ok {
			return nil
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		rest = strings.TrimSpace(rest)
		if word == "quit" || word == "q" {
			if t.mayQuit() {
				return nil
			}
			continue
		}
		if err := t.obey(word, rest); err != nil {
			words, hint := explain(err)
			t.say(config.Inert(words))
			if hint != "" {
				t.say("What to do: " + config.Inert(hint))
			}
		}
	}
}

func (t *talk) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// ask prompts for a line; false at the end of the input or of ctx.
func (t *talk) ask(prompt string) (string, bool) {
	fmt.Fprint(t.out, prompt)
	select {
	case <-t.ctx.Done():
		return "", false
	case text, ok := <-t.lines:
		return text, ok
	}
}

// commands are what can be typed, with what they do; writes are absent in a
// read-only console.
var commands = []struct {
	name, does string
	writes     bool
}{
	{"list", "say the items with their numbers", false},
	{"item N", "say all about item N", false},
	{"targets", "say what each target serves", false},
	{"runs", "say the runs, live and past", false},
	{"plan N", "say what item N would change", false},
	{"run N", "plan item N and run it after a question", true},
	{"tick N", "record what was seen for manual item N", true},
	{"waive N", "skip item N with a reason", true},
	{"clear N", "take a tick or waiver of item N back", true},
	{"promote TARGET", "put what is staged into production", true},
	{"rollback TARGET", "put an earlier snapshot back into production", true},
	{"cancel RUN", "ask a run to stop", true},
	{"resolve RUN", "look how an unknown run ended", true},
	{"hold", "stop the line at once", true},
	{"lift", "let the line run again", true},
	{"status", "say how things stand", false},
	{"help", "say this", false},
	{"quit", "leave", false},
}

func (t *talk) readOnly() bool { return t.o.ReadOnly || t.c.View().ReadOnly }

func (t *talk) obey(word, rest string) error {
	if word == "" {
		return nil
	}
	for _, c := range commands {
		name, _, _ := strings.Cut(c.name, " ")
		if name == word && c.writes && t.readOnly() {
			return &pipeline.RefusedError{Reason: "this console is read-only"}
		}
	}
	if err := t.c.Refresh(t.ctx); err != nil {
		return fmt.Errorf("look at how things stand: %w", err)
	}
	switch word {
	case "help":
		for _, c := range commands {
			if !c.writes || !t.readOnly() {
				t.say("  %-16s %s", c.name, c.does)
			}
		}
		return nil
	case "status":
		t.status()
		return nil
	case "list":
		t.list()
		return nil
	case "targets":
		t.targets()
		return nil
	case "runs":
		t.runs()
		return nil
	case "item", "plan", "run", "tick", "waive", "clear":
		it, err := t.item(rest)
		if err != nil {
			return err
		}
		return t.about(word, it)
	case "promote":
		return t.begin(pipeline.Job{Verb: "promote", Target: rest}, false)
	case "rollback":
		return t.rollback(rest)
	case "cancel":
		return t.told("asked the run to stop", t.c.Cancel(t.ctx, rest))
	case "resolve":
		return t.told("looked; see runs", t.c.Resolve(t.ctx, rest))
	case "hold":
		return t.told("held: nothing further starts", t.c.Hold(t.ctx, rest))
	case "lift":
		return t.lift()
	}
	return fmt.Errorf("there is no command %q; type help", config.Inert(word))
}

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
	if p.Risk == checklist.Production {
		t.say("This changes PRODUCTION. To confirm, type: %s", config.Inert(p.Phrase()))
		typed, ok = t.ask("phrase (empty leaves everything as it is): ")
		ok = ok && typed == p.Phrase()
	} else {
		word, _, _ := riskOf(p.Risk)
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
	if _, err := t.c.Start(t.ctx, p, typed); err != nil {
		return err
	}
	return t.watch(p, before)
}

// watch says how a run goes, a line when its phase changes, until it ends.
func (t *talk) watch(p pipeline.Plan, before map[string]bool) error {
	phase := ""
	tick := time.NewTicker(motion)
	defer tick.Stop()
	for {
		for _, r := range t.c.View().Runs {
			if before[r.Run.Run] || r.Verb != p.Verb || r.Target != p.Target {
				continue
			}
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
		select {
		case <-t.ctx.Done():
			return nil
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
