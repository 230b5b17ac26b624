package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// The answers to intents. Each carries the number of its intent; an answer to an
// intent that is not the last is dropped.
type (
	plannedMsg struct {
		gen  int
		key  string // item or target that the plan is about
		look bool   // to look at only
		plan pipeline.Plan
		err  error
	}
	startedMsg struct {
		gen  int
		plan pipeline.Plan
		err  error
	}
	doneMsg struct {
		what string
		err  error
	}
)

// plan has the engine plan a job; look shows it in the detail, else it is asked
// for. Until the answer comes nothing that is typed has a meaning.
func (m *model) plan(job pipeline.Job, title string, look bool) tea.Cmd {
	m.gen++
	m.mode, m.waits, m.planning = waiting, "planning: "+title, true
	gen, ctx, c := m.gen, m.ctx, m.console
	name := job.Item
	if name == "" {
		name = job.Target
	}
	return func() tea.Msg {
		p, err := c.Plan(ctx, job)
		return plannedMsg{gen: gen, key: name, look: look, plan: p, err: err}
	}
}

func (m *model) planned(msg plannedMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	if msg.err != nil {
		m.tell("No plan", msg.err)
		return nil
	}
	if msg.look {
		m.plans[msg.key] = msg.plan
		m.focus, m.log.scroll, m.log.aside, m.log.tail = onDetail, 0, 0, false
		return nil
	}
	if msg.plan.Risk == checklist.Safe {
		return m.start(msg.plan, "") // a question on routine work would teach to answer without reading
	}
	m.open(newPlanDialog(m, msg.plan))
	return nil
}

// start has the engine run a plan as it was confirmed.
func (m *model) start(plan pipeline.Plan, typed string) tea.Cmd {
	m.gen++
	m.mode, m.waits, m.planning = waiting, "starting: "+config.Inert(plan.Title), false
	gen, ctx, c := m.gen, m.ctx, m.console
	return func() tea.Msg {
		_, err := c.Start(ctx, plan, typed)
		return startedMsg{gen: gen, plan: plan, err: err}
	}
}

func (m *model) started(msg startedMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	delete(m.plans, msg.plan.Item.ID)
	delete(m.plans, msg.plan.Target)
	if msg.err != nil {
		m.tell("Not started", msg.err)
		return nil
	}
	m.flash = line{{"started", ok}, {"  " + config.Inert(msg.plan.Title), plain}}
	return m.reread()
}

// reread reads the engine's state at once, without waiting for its signal.
func (m *model) reread() tea.Cmd {
	c, reads := m.console, m.reads
	return func() tea.Msg {
		seq := reads.Add(1)
		return newsOnceMsg{seq: seq, view: c.View()}
	}
}

// act has the engine do something short; what says it in the past tense.
func (m *model) act(what string, do func(context.Context) error) tea.Cmd {
	ctx := m.ctx
	m.pending++
	return func() tea.Msg { return doneMsg{what, do(ctx)} }
}

func (m *model) done(msg doneMsg) tea.Cmd {
	m.pending--
	if msg.err != nil {
		what, _, _ := strings.Cut(msg.what, ": ")
		m.tell("Not "+what, msg.err)
		return nil
	}
	m.flash = line{{m.theme.glyphs.status[checklist.StatusDone] + " ", ok}, {config.Inert(msg.what), plain}}
	return m.reread() // which also ends a console that waited for this
}

// tell shows an error with its way out, until it is dismissed.
func (m *model) tell(title string, err error) {
	if errors.Is(err, context.Canceled) && m.ctx.Err() != nil {
		return
	}
	words, hint := explain(err)
	m.open(&dialog{
		word: "NOTE", frame: warn, label: warn, title: title,
		head: func(w int) []line {
			ls := wrapped(plain, words, w)
			if hint != "" {
				ls = append(append(ls, line{}), wrapped(accent, hint, w)...)
			}
			return ls
		},
	})
}

// explain puts an error in words, and says what the operator can do.
func explain(err error) (words, hint string) {
	var refused *pipeline.RefusedError
	var conflict *pipeline.ConflictError
	switch {
	case errors.As(err, &refused):
		return "Refused: " + refused.Reason, refused.Hint
	case errors.As(err, &conflict):
		return "The world moved: " + conflict.Reason, conflict.Hint
	default:
		return err.Error(), config.HintOf(err)
	}
}

// holdNow stops the line at once. A second press gives the reason.
func (m *model) holdNow() tea.Cmd {
	if m.view.Hold != nil {
		m.open(&prompt{
			title: "Reason of the hold", asks: "Why is the line stopped?", optional: true,
			done: func(text string) tea.Cmd {
				return m.act("held: "+text, func(ctx context.Context) error { return m.console.Hold(ctx, text) })
			},
		})
		return nil
	}
	return m.act("held: nothing further starts. H again gives a reason", func(ctx context.Context) error { return m.console.Hold(ctx, "") })
}

// askLift asks for the phrase that lifts the hold.
func (m *model) askLift() tea.Cmd {
	h, phrase := m.view.Hold, m.console.LiftPhrase()
	if h == nil || phrase == "" {
		return nil
	}
	m.open(&dialog{
		word: "HOLD", frame: production, label: alarm, title: "Let the line run again?", phrase: phrase,
		head: func(w int) []line {
			ls := wrapped(plain, fmt.Sprintf("%s stopped it at %s UTC.", h.Actor, clock(h.Time, m.now())), w)
			return append(ls, wrapped(plain, "Reason: "+orNone(h.Reason), w)...)
		},
		void: func(m *model) string {
			if m.view.Hold == nil || *m.view.Hold != *h {
				return "The hold changed meanwhile."
			}
			return ""
		},
		yes: func(typed string) tea.Cmd {
			return m.act("lifted the hold", func(ctx context.Context) error { return m.console.Lift(ctx, typed) })
		},
	})
	return nil
}

// askCancel asks whether a run shall stop.
func (m *model) askCancel(r pipeline.RunView) tea.Cmd {
	word, frame, label := riskOf(r.Risk)
	ends := "It stops at the next safe place; no pointer is left half moved."
	if t, _ := m.targetView(r.Target); t.Format == string(config.FormatTree) && r.Risk != checklist.Safe {
		ends = "It stops at the next safe place. A sync is half done then: run it again to go on with it, or take it back."
	}
	m.open(&dialog{
		word: word, frame: frame, label: label, title: "Cancel this run?",
		head: func(w int) []line {
			ls := wrapped(strong, r.Title, w)
			ls = append(ls, wrapped(plain, fmt.Sprintf("Begun by %s on %s at %s UTC.", r.Actor, r.Host, clock(r.Started, m.now())), w)...)
			return append(ls, wrapped(dim, ends, w)...)
		},
		answers: []answer{{bind("cancel the run", "y"), func() tea.Cmd {
			return m.act("asked the run to stop", func(ctx context.Context) error { return m.console.Cancel(ctx, r.Run.Run) })
		}}},
	})
	return nil
}

// resolve looks how an unknown run ended.
func (m *model) resolve(r pipeline.RunView) tea.Cmd {
	m.flash = own(plain, "looking how the run ended...")
	return m.act("looked: see the run", func(ctx context.Context) error { return m.console.Resolve(ctx, r.Run.Run) })
}

// askQuit ends the console; while runs of this console live it asks first, since
// they live in this process.
func (m *model) askQuit() tea.Cmd {
	runs := m.live()
	if !m.busy() {
		return m.quit()
	}
	title := "Quit while " + plural(len(runs), "run is", "runs are") + " live?"
	if g := m.view.Group; g != nil && g.Own && g.Live {
		title = "Quit amid a " + groupWords(&g.Group) + "?"
	}
	m.open(&dialog{
		word: "RUNNING", frame: warn, label: warn, title: title,
		head: func(w int) []line {
			var ls []line
			for _, r := range runs {
				ls = append(ls, said(strong, r.Title))
			}
			return append(ls, wrapped(plain, "The engine lives in this console. It can end by itself when the runs are over, or cancel them first; a cancelled run stops at the next safe place.", w)...)
		},
		answers: []answer{
			{bind("quit when they are over", "w"), func() tea.Cmd {
				m.quits, m.flash = true, own(warn, "quits when the runs are over; q asks again")
				return nil
			}},
			{bind("cancel them, then quit", "c"), func() tea.Cmd {
				m.quits = true
				if len(m.live()) == 0 {
					return m.quit() // of a group nothing moves yet, and nothing will
				}
				var cmds []tea.Cmd
				for _, r := range m.live() {
					cmds = append(cmds, m.act("asked the run to stop", func(ctx context.Context) error { return m.console.Cancel(ctx, r.Run.Run) }))
				}
				return tea.Batch(cmds...)
			}},
		},
	})
	return nil
}

// quit ends the program once what was asked of the engine is answered.
func (m *model) quit() tea.Cmd {
	if m.pending > 0 {
		m.quits = true
		return nil
	}
	m.leaving = true
	return tea.Quit
}
