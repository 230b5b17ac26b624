package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
)

// openAction begins a release.
func (m *model) openAction() action {
	return action{key: bind("open a release", "o"), writes: true, when: true, do: m.askKind}
}

// chooseAction goes to another of the open releases.
func (m *model) chooseAction() action {
	other := slices.ContainsFunc(m.view.Open, func(r *checklist.ReleaseState) bool {
		return m.view.Checklist.Release == nil || r.ID != m.view.Checklist.Release.ID
	})
	return action{key: bind("releases", "O"), when: other, why: "no other release is open", do: m.askRelease}
}

// askRelease lets one of the open releases be chosen.
func (m *model) askRelease() tea.Cmd {
	open := m.view.Open
	c := &choice{title: "Work on which release?", does: "goes there", pick: func(i int) tea.Cmd {
		id := open[i].ID
		return m.act("went to "+id, func(ctx context.Context) error { return m.console.Choose(ctx, id) })
	}}
	for i, r := range open {
		far := said(dim, r.Checklist.Title)
		if i < len(m.view.Days) {
			v := &m.view.Days[i]
			far = append(m.day().due(v), span{fmt.Sprintf("  %d/%d", v.Done, v.Total), plain})
		}
		c.rows = append(c.rows, row{left: said(plain, r.ID), right: far})
	}
	m.open(c)
	return nil
}

// closeAction ends the release, once all its items are.
func (m *model) closeAction() action {
	v := m.view.Checklist
	why := fmt.Sprintf("%d of %d items are complete; to give it up: gantry close --abort", v.Done, v.Total)
	if v.Release == nil {
		why = "no release is open"
	}
	return action{key: bind("close the release", "C"), writes: true, when: v.Release != nil && v.Done == v.Total, why: why, do: m.askClose}
}

type kindsMsg struct {
	gen   int
	kinds []kind
	err   error
}

// kind is a kind of release and what its checklist says of itself.
type kind struct{ name, title string }

// askKind reads the checklists, which may be the operator's own.
func (m *model) askKind() tea.Cmd {
	m.gen++
	m.mode, m.waits, m.planning = waiting, "reading the checklists", true
	gen, c := m.gen, m.console
	return func() tea.Msg {
		all, err := c.Templates()
		return kindsMsg{gen, kindsOf(all), err}
	}
}

func kindsOf(all []*checklist.Template) []kind {
	var ks []kind
	for _, t := range all {
		for _, name := range t.Kinds {
			if !slices.ContainsFunc(ks, func(k kind) bool { return k.name == name }) {
				ks = append(ks, kind{name, t.Title})
			}
		}
	}
	return ks
}

// kindsRead lets a kind be chosen, and then a version be typed.
func (m *model) kindsRead(msg kindsMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	if msg.err != nil {
		m.tell("No release opened", msg.err)
		return nil
	}
	c := &choice{title: "Open a release of which kind?", does: "chooses", pick: func(i int) tea.Cmd { return m.askVersion(msg.kinds[i].name) }}
	for _, k := range msg.kinds {
		c.rows = append(c.rows, row{left: said(plain, k.name), right: said(dim, k.title)})
	}
	m.open(c)
	return nil
}

func (m *model) askVersion(kind string) tea.Cmd {
	m.open(&prompt{title: "Open a " + kind + " release", asks: "Its version, such as 2025.4.1 or 9.7-RC2, and when it is due, if that is known: 9.7 2026-11-24T14:00Z. It is about all targets that have the version.", done: func(text string) tea.Cmd {
		version, when, _ := strings.Cut(strings.TrimSpace(text), " ")
		return m.act("opened "+kind+" "+version, func(ctx context.Context) error {
			due := time.Time{}
			if when = strings.TrimSpace(when); when != "" {
				var err error
				if due, err = checklist.ParseDue(when); err != nil {
					return err
				}
			}
			id, err := m.console.OpenRelease(ctx, kind, version, due)
			if err != nil {
				return err
			}
			return m.console.Choose(ctx, id)
		})
	}})
	return nil
}

// askClose asks whether the release is over.
func (m *model) askClose() tea.Cmd {
	r, v := m.view.Checklist.Release, m.view.Checklist
	m.open(&dialog{
		word: "RELEASE", frame: accent, label: accent, title: "Close " + config.Inert(r.ID) + "?",
		head: func(w int) []line {
			return wrapped(plain, fmt.Sprintf("%d of %d items are complete. The journal keeps what was done; the next release starts clean.", v.Done, v.Total), w)
		},
		answers: []answer{{bind("close the release", "y"), func() tea.Cmd {
			return m.act("closed "+r.ID, func(ctx context.Context) error {
				if err := m.console.CloseRelease(ctx, false, ""); err != nil {
					return err
				}
				return m.console.Choose(ctx, "") // the one that is left, where there is one
			})
		}}},
	})
	return nil
}
