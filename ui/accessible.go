package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

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
	{"review TARGET", "say what staging would bring to clients, package by package", false},
	{"day", "say how all open releases stand, and what the world sees", false},
	{"choose RELEASE", "work on another of the open releases", false},
	{"runs", "say the runs, live and past", false},
	{"plan N", "say what item N would change", false},
	{"run N", "plan item N and run it; a question comes first unless it is safe", true},
	{"tick N", "record what was seen for manual item N", true},
	{"waive N", "skip item N with a reason", true},
	{"clear N", "take a tick, a waiver or an early opening of item N back", true},
	{"undo N", "take back what the console did for item N", true},
	{"early N", "open the window of item N before its time, with a reason", true},
	{"promote TARGET...", "put what is staged into production, of several targets together", true},
	{"rollback TARGET...", "put an earlier snapshot back into production", true},
	{"resume", "move the targets that a promotion of several did not come to", true},
	{"undo", "alone: take back what the last promotion of several moved", true},
	{"verify TARGET", "check production as a client would", true},
	{"refresh TARGET", "serve the same packages under new metadata", true},
	{"prune TARGET", "remove snapshots that nobody needs any more", true},
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
				t.say("  %-18s %s", c.name, c.does)
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
	case "day":
		return t.day()
	case "choose":
		return t.choose(rest)
	case "review":
		return t.review(rest)
	case "item", "plan", "run", "tick", "waive", "clear", "early":
		it, err := t.item(rest)
		if err != nil {
			return err
		}
		return t.about(word, it)
	case "promote", "rollback", "verify", "refresh", "prune":
		return t.job(word, strings.Fields(rest))
	case "resume":
		return t.resume()
	case "undo":
		return t.undo(rest)
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
