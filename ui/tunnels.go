package ui

import (
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage/tunnel"
)

// tunnelLine is the tunnels with their states in words, as many as leave room:
// all, or those that somebody needs now, or those that are not up, or none. Those
// that are down have lines of their own besides.
func (m *model) tunnelLine(fits func(line) bool) line {
	words := [][]string{{tunnel.Off, tunnel.Up}, {tunnel.Up}, {}}
	if m.w < oneLine {
		words = words[1:]
	}
	for _, calm := range words {
		if l := m.tunnelsIn(append(calm, tunnel.Connecting, tunnel.Down)); fits(l) {
			return l
		}
	}
	return nil
}

// tunnelsIn is the tunnels that are in one of some states.
func (m *model) tunnelsIn(states []string) line {
	g := m.theme.glyphs.status
	var l line
	for _, t := range m.view.Tunnels {
		if !slices.Contains(states, t.Word) {
			continue
		}
		glyph, role := g[checklist.StatusWaiting], dim
		switch t.Word {
		case tunnel.Up:
			glyph, role = g[checklist.StatusDone], ok
		case tunnel.Connecting:
			glyph, role = g[checklist.StatusRunning], accent
		case tunnel.Down:
			glyph, role = g[checklist.StatusFailed], bad
		}
		l = append(l, span{glyph + " ", role}, span{"tunnel " + config.Inert(string(t.Name)) + " ", dim}, span{config.Inert(t.Word), role}, span{"  ", plain})
	}
	return l
}

// tunnelBanners say why a tunnel is down.
func (m *model) tunnelBanners() []line {
	var ls []line
	for _, t := range m.view.Tunnels {
		if t.Word != tunnel.Down {
			continue
		}
		text := "tunnel " + string(t.Name) + " " + t.String()
		if t.Reason != "" {
			text += "; what needs it tries again"
		}
		ls = append(ls, labelled(" DOWN  ", text, m.w, troubleLines)...)
	}
	return ls
}

// labelled is a text beneath a label in the failed colour, in so many lines at
// most.
func labelled(label, text string, w, most int) []line {
	var ls []line
	for i, l := range wrapped(plain, text, w-len(label)-1) {
		if i == most {
			break // the journal's view has the rest
		}
		ls = append(ls, append(line{{label, bad}}, l...))
		label = strings.Repeat(" ", len(label))
	}
	return ls
}
