package ui

import (
	"context"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	_ "gantry/ui/terminal" // before bubbletea, see there

	"gantry/checklist"
	"gantry/pipeline"
)

// mode says who gets the keys.
type mode int

const (
	normal    mode = iota // the view
	filtering             // the line in which a filter or a search is typed
	asking                // a dialog, a prompt or the help
	waiting               // nobody: the engine answers first, type-ahead is dropped
)

// focus says which pane the keys of movement reach.
type focus int

const (
	onList focus = iota
	onDetail
)

// screen is one of the views: a list, and a detail of what is selected.
type screen interface {
	name() string
	sync()                            // the model has a new view of the world
	list() *list                      // of the rows
	head() (title, remark line)       // of the list's box
	row(i int) row                    // for i within the list
	detail(w int) (head, body []line) // head[0] is the title, head[1] the remark
	danger() checklist.Risk           // of what is selected
	run() string                      // whose log belongs to what is selected, empty for none
	target() string                   // that what is selected is about, empty for none
	actions() []action
	seek(text string) tea.Cmd // filter the rows
}

// model is everything the screen knows. It is changed in Update only; what the
// engine answers comes as messages.
type model struct {
	ctx     context.Context
	console Console
	o       Options
	theme   theme
	w, h    int

	view    pipeline.View
	viewSeq uint64
	reads   *atomic.Uint64 // numbers the readings of View, so that older ones are dropped
	looking bool           // the engine is refreshing
	looked  time.Time      // when that was begun
	trouble string         // why the last refresh failed

	screens  []screen
	at       int
	focus    focus
	mode     mode
	modal    modal
	queue    []modal // that wait for it to close
	find     field   // of the mode filtering
	waits    string  // what the mode waiting waits for
	planning bool    // it is a plan, which may be left
	gen      int     // of the last intent; answers to earlier ones are dropped
	flash    line

	together bool // a group of this console was started, and its end was not told

	pending int // short intents that were not answered yet
	log     logPane
	plans   map[string]pipeline.Plan // looked at, by item or target
	tag     int                      // of the present tick; others are dropped
	fast    bool                     // it is a tick of motion
	quits   bool                     // the console ends when its runs have
	leaving bool                     // the program is about to end

	still bool   // the last message changed nothing that is shown
	ended string // the last run that ended, for the window's title
	bells int    // how often the bell should have rung
}

// newModel draws for a colour profile; it has read nothing yet.
func newModel(ctx context.Context, c Console, o Options, profile termenv.Profile) *model {
	m := &model{
		ctx: ctx, console: c, o: o, theme: newTheme(o, profile), reads: new(atomic.Uint64),
		w: 80, h: 24, plans: map[string]pipeline.Plan{},
	}
	m.screens = []screen{newChecklist(m), newArtifacts(m), newTargets(m), newRuns(m), newJournal(m), newReview(m), newDay(m)}
	m.view = c.View()
	for _, s := range m.screens {
		s.sync()
	}
	return m
}

func (m *model) screen() screen { return m.screens[m.at] }

func (m *model) readOnly() bool { return m.o.ReadOnly || m.view.ReadOnly }

func (m *model) now() time.Time { return m.o.Now() }

// Init starts the two sources of messages: the engine's news, and the tick.
func (m *model) Init() tea.Cmd { return tea.Batch(m.listen(), m.tick()) }

// The spans of the tick: while something moves, and while nothing does.
const (
	motion = 100 * time.Millisecond
	rest   = time.Second
)

// moving tells whether something on the screen changes by itself.
func (m *model) moving() bool {
	for i := range m.view.Runs {
		if m.view.Runs[i].Live {
			return true
		}
	}
	if g := m.view.Group; g != nil && g.Live {
		return true
	}
	if d, ok := m.modal.(*dialog); ok && m.mode == asking && m.now().Before(d.armed) {
		return true
	}
	return m.artifacts().verifying()
}

// Where the views are that others speak of.
const (
	artifactsAt = 1
	targetsAt   = 2
	runsAt      = 3
	journalAt   = 4
	reviewAt    = 5
	dayAt       = 6
)

func (m *model) artifacts() *artifactScreen { return m.screens[artifactsAt].(*artifactScreen) }

func (m *model) reviews() *reviewScreen { return m.screens[reviewAt].(*reviewScreen) }

func (m *model) day() *dayScreen { return m.screens[dayAt].(*dayScreen) }

func (m *model) targets() *targetScreen { return m.screens[targetsAt].(*targetScreen) }

// patience is how long the stores may take before the screen says so.
const patience = 5 * time.Second

// show goes to a view.
func (m *model) show(i int) tea.Cmd {
	m.at, m.focus = i, onList
	switch i {
	case artifactsAt:
		return tea.Batch(m.artifacts().load(), m.follow())
	case reviewAt:
		return tea.Batch(m.reviews().load(), m.follow())
	case dayAt:
		return tea.Batch(m.day().watch(), m.follow())
	}
	return m.follow()
}

// turn gives the keys of movement to the other pane.
func (m *model) turn() tea.Cmd {
	if m.focus == onList {
		m.focus = onDetail
		m.log.tail = m.log.run != "" && m.at == runsAt // in the other views the detail comes first
		m.log.scroll, m.log.aside = 0, 0
	} else {
		m.focus = onList
	}
	return nil
}

// leave goes one step back: from the detail to the list, from a filter to all rows.
func (m *model) leave() tea.Cmd {
	if m.focus == onDetail {
		m.focus = onList
		m.log.search = ""
		clear(m.plans) // they were looked at
		return nil
	}
	if m.screen().list().wanted != "" {
		return m.screen().seek("")
	}
	if m.at == targetsAt {
		clear(m.targets().marked)
	}
	return nil
}

// live are the runs of this console that are not over.
func (m *model) live() []pipeline.RunView {
	var rs []pipeline.RunView
	for _, r := range m.view.Runs {
		if r.Own && r.Live {
			rs = append(rs, r)
		}
	}
	return rs
}

// runView finds a run; the zero RunView where it is not known.
func (m *model) runView(id string) (pipeline.RunView, bool) {
	for _, r := range m.view.Runs {
		if r.Run.Run == id && id != "" {
			return r, true
		}
	}
	return pipeline.RunView{}, false
}

func (m *model) targetView(name string) (pipeline.TargetView, bool) {
	for _, t := range m.view.Targets {
		if t.Name == name && name != "" {
			return t, true
		}
	}
	return pipeline.TargetView{}, false
}
