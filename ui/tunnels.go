package ui

import (
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage/tunnel"
)

// tunnelLine is the tunnels with their states in words. Those that nobody needs
// now stand there only where there is room for all.
func (m *model) tunnelLine(all bool) line {
	g := m.theme.glyphs.status
	var l line
	for _, t := range m.view.Tunnels {
		glyph, role := g[checklist.StatusWaiting], dim
		switch t.Word {
		case tunnel.Up:
			glyph, role = g[checklist.StatusDone], ok
		case tunnel.Connecting:
			glyph, role = g[checklist.StatusRunning], accent
		case tunnel.Down:
			glyph, role = g[checklist.StatusFailed], bad
		default:
			if !all {
				continue
			}
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
		ls = append(ls, labelled(" DOWN  ", text, m.w)...)
	}
	return ls
}

// labelled is a text beneath a label in the failed colour, in a few lines at most.
func labelled(label, text string, w int) []line {
	var ls []line
	for i, l := range wrapped(plain, text, w-len(label)-1) {
		if i == troubleLines {
			break // the journal's view has the rest
		}
		ls = append(ls, append(line{{label, bad}}, l...))
		label = strings.Repeat(" ", len(label))
	}
	return ls
}
