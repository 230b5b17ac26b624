package ui

import (
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// dialog asks for consent: by a phrase that is typed, by a letter, or, with
// neither, only to have been read. Its default is always no.
type dialog struct {
	word         string // what it is about in one word, in the frame
	frame, label role
	title        string
	head         func(w int) []line // always in sight
	body         func(w int) []line // scrolled; nil for none
	phrase       string             // to be typed, empty where a letter answers
	answers      []answer
	yes          func(typed string) tea.Cmd // with the phrase
	void         func(m *model) string      // why it cannot be answered any more, empty while it can
	voided, hint string

	armed   time.Time // from when on it takes answers
	field   field
	strokes []stroke
	remark  line // of what was typed
	scroll  int
}

type answer struct {
	key key.Binding
	do  func() tea.Cmd
}

// stroke is characters that arrived together.
type stroke struct {
	at time.Time
	n  int
}

// What tells a raw paste from fingers: more characters in one read than a slow
// line bunches, or most of the phrase in less time than anybody types it.
const (
	bunch       = 4
	burst       = 150 * time.Millisecond
	burstTenths = 6
)

func (d *dialog) keys() []key.Binding {
	var ks []key.Binding
	for _, a := range d.answers {
		ks = append(ks, a.key)
	}
	if d.phrase != "" {
		ks = append(ks, bind("confirm the phrase", "enter"))
	}
	if d.body != nil {
		ks = append(ks, key.NewBinding(key.WithKeys("up", "down", "pgup", "pgdown"), key.WithHelp("up/down", "scroll")))
	}
	return append(ks, closing)
}

// resized starts the delay again: nobody has read what is drawn now.
func (d *dialog) resized(m *model) { d.armed = m.now().Add(armDelay) }

// check looks whether the ground of the question still holds.
func (d *dialog) check(m *model) {
	if d.void == nil || d.voided != "" {
		return
	}
	if why := d.void(m); why != "" {
		d.spoil(why, "Leave with Esc and plan again.")
	}
}

// spoil makes the dialog one that can only be left.
func (d *dialog) spoil(why, hint string) {
	d.voided, d.hint = why, hint
	d.field, d.remark = field{}, nil
}

func (d *dialog) press(m *model, k tea.KeyMsg) tea.Cmd {
	now := m.now()
	switch {
	case k.Paste:
		d.clear("pasting is refused: read the phrase and type it")
		d.armed = now.Add(armDelay)
		return nil
	case key.Matches(k, closing):
		m.close()
		return nil
	}
	if by, ok := scrollKey(k); ok {
		d.scrollBy(m, by)
		return nil
	}
	if d.phrase == "" && len(d.answers) == 0 {
		if k.Type == tea.KeyEnter && !now.Before(d.armed) {
			m.close()
		}
		return nil
	}
	d.check(m)
	if now.Before(d.armed) || d.voided != "" || !d.fits(m) {
		return nil
	}
	if d.phrase != "" {
		return d.typed(m, k, now)
	}
	for _, a := range d.answers {
		if key.Matches(k, a.key) {
			m.close()
			return a.do()
		}
	}
	if k.Type == tea.KeyEnter || k.String() == "n" || k.String() == "N" {
		m.close()
	}
	return nil
}

// typed takes one key of the phrase.
func (d *dialog) typed(m *model, k tea.KeyMsg, now time.Time) tea.Cmd {
	if k.Type == tea.KeyEnter {
		switch d.field.text() {
		case d.phrase:
			m.close()
			return d.yes(d.phrase)
		case "":
			d.remark = own(warn, "Enter alone confirms nothing: type the phrase, or Esc")
		default:
			d.remark = own(warn, "that is not the phrase: compare it letter by letter")
		}
		return nil
	}
	if (k.Type == tea.KeyRunes || k.Type == tea.KeySpace) && !k.Alt && d.pasted(len(k.Runes), now) {
		d.clear("that came too fast for fingers: the field was cleared, type the phrase")
		d.armed = now.Add(armDelay) // the rest of it, and its Enter, fall into the delay
		return nil
	}
	d.remark = nil
	d.field.press(k)
	return nil
}

// pasted tells whether n characters that arrive now were hardly typed.
func (d *dialog) pasted(n int, now time.Time) bool {
	d.strokes = append(d.strokes, stroke{now, n})
	recent := 0
	keep := d.strokes[:0]
	for _, s := range d.strokes {
		if now.Sub(s.at) <= burst {
			keep = append(keep, s)
			recent += s.n
		}
	}
	d.strokes = keep
	return n > bunch || recent*10 >= utf8.RuneCountInString(d.phrase)*burstTenths
}

func (d *dialog) clear(why string) {
	d.field, d.strokes = field{}, nil
	d.remark = own(bad, why)
}

// scrollKey is movement without letters, which may belong to the phrase.
func scrollKey(k tea.KeyMsg) (by int, ok bool) {
	switch k.Type {
	case tea.KeyUp:
		return -1, true
	case tea.KeyDown:
		return 1, true
	case tea.KeyPgUp:
		return -8, true
	case tea.KeyPgDown:
		return 8, true
	}
	return 0, false
}
