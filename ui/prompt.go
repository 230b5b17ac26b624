package ui

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// prompt asks for a line of text. Pasting into it is welcome: a value that was
// observed is best copied.
type prompt struct {
	title    string
	asks     string
	optional bool // an empty answer counts
	done     func(text string) tea.Cmd

	field  field
	remark line
}

func (p *prompt) keys() []key.Binding { return []key.Binding{bind("record it", "enter"), closing} }

func (p *prompt) resized(*model) {}

func (p *prompt) press(m *model, k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, closing):
		m.close()
		return nil
	case k.Type == tea.KeyEnter:
		text := strings.TrimSpace(p.field.text())
		if text == "" && !p.optional {
			p.remark = own(warn, "an empty answer records nothing")
			return nil
		}
		m.close()
		return p.done(text)
	}
	p.remark = nil
	p.field.press(k)
	return nil
}

func (p *prompt) draw(m *model, _, _ int) ([]string, int) {
	t := &m.theme
	w := max(4, min(m.w-2, 76))
	ls := wrapped(plain, p.asks, w-4)
	ls = append(ls, append(own(accent, "> "), p.field.line(t, w-6)...), p.remark,
		line{{"Enter", accent}, {" records it   ", plain}, {"Esc", accent}, {" leaves", plain}})
	var out []string
	for _, l := range ls {
		out = append(out, t.plainly(append(own(plain, " "), l...), w-2))
	}
	return t.box(t.glyphs.thin, accent, said(strong, p.title), nil, out, w, len(out)+2), w
}
