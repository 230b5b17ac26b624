package ui

import (
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"gantry/config"
)

// field is a line of text that is typed, with its cursor at the end.
type field struct{ runes []rune }

// longest is how many characters a field takes.
const longest = 500

func (f *field) text() string { return string(f.runes) }

func (f *field) set(s string) { f.runes = []rune(s) }

// press edits the field and tells whether its text changed.
func (f *field) press(k tea.KeyMsg) bool {
	n := len(f.runes)
	switch k.Type {
	case tea.KeyRunes, tea.KeySpace:
		if k.Alt {
			return false
		}
		f.add(k.Runes)
	case tea.KeyBackspace:
		f.runes = f.runes[:max(0, n-1)]
	case tea.KeyCtrlU:
		f.runes = nil
	case tea.KeyCtrlW:
		f.runes = []rune(strings.TrimRightFunc(f.text(), unicode.IsSpace))
		for len(f.runes) > 0 && !unicode.IsSpace(f.runes[len(f.runes)-1]) {
			f.runes = f.runes[:len(f.runes)-1]
		}
	default:
		return false
	}
	return n != len(f.runes)
}

// add appends what was typed or pasted; a line break becomes a space.
func (f *field) add(rs []rune) {
	s := strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(string(rs))
	f.runes = append(f.runes, []rune(config.Inert(s))...)
	f.runes = f.runes[:min(len(f.runes), longest)]
}

// line draws the end of the text with a cursor, in w cells.
func (f *field) line(t *theme, w int) line {
	text := f.text()
	if over := ansi.StringWidth(text) - max(0, w-2); over > 0 {
		text = ansi.TruncateLeft(text, over+1, t.glyphs.ellipsis)
	}
	return line{{text, plain}, {" ", alarm}}
}
