package ui

import (
	"fmt"
	"strings"
)

// most is how wide a dialog grows; leastBody how much of a diff must be in sight.
const (
	most      = 96
	leastBody = 3
)

// measure lays the dialog out for a screen: the width of its box, its fixed
// lines above and below the body, and how many lines of body fit.
func (d *dialog) measure(m *model) (w int, above, below, body []line, room int) {
	w = max(4, min(m.w-2, most))
	inner := max(1, w-4)
	above = append(wrapped(strong, d.title, inner), d.head(inner)...)
	if d.body != nil {
		body = d.body(inner)
		above = append(above, own(dim, strings.Repeat(m.theme.glyphs.thin.h, inner)))
		below = append(below, own(dim, strings.Repeat(m.theme.glyphs.thin.h, inner)))
	}
	below = append(below, d.foot(m, inner)...)
	room = m.h - 1 - 2 - len(above) - len(below)
	return w, above, below, body, room
}

// fits tells whether all that must be read before an answer is in sight.
func (d *dialog) fits(m *model) bool {
	_, _, _, body, room := d.measure(m)
	return m.w >= minWidth && room >= min(len(body), leastBody)
}

// foot is what is asked, what was typed, and what is wrong with it.
func (d *dialog) foot(m *model, w int) []line {
	if d.voided != "" {
		ls := append([]line{own(bad, "VOID: this cannot be confirmed")}, wrapped(plain, d.voided, w)...)
		return append(ls, wrapped(accent, d.hint, w)...)
	}
	var ls []line
	if d.phrase != "" {
		ls = append(ls, own(plain, "To confirm, read this off and type it, then Enter:"))
		for _, l := range hard(strong, d.phrase, w-2) {
			ls = append(ls, append(own(plain, "  "), l...))
		}
		ls = append(ls, append(own(accent, "> "), d.field.line(&m.theme, w-2)...))
	}
	state := d.remark
	if m.now().Before(d.armed) && len(state) == 0 && (d.phrase != "" || len(d.answers) > 0) {
		state = own(dim, "a moment: keys typed before now are dropped")
	}
	ls = append(ls, state)
	if l := d.choices(); l.width() <= w || len(d.answers) == 0 {
		return append(ls, l)
	}
	for _, a := range d.answers {
		ls = append(ls, line{{a.key.Help().Key, accent}, {" " + a.key.Help().Desc, plain}})
	}
	return append(ls, own(dim, "N or Enter or Esc: no (default)"))
}

// choices is the keys that answer; the default is spelled out.
func (d *dialog) choices() line {
	if d.phrase == "" && len(d.answers) == 0 {
		return line{{"Esc", accent}, {" or ", dim}, {"Enter", accent}, {" closes", dim}}
	}
	l := line{}
	for _, a := range d.answers {
		l = append(l, span{a.key.Help().Key, accent}, span{" " + a.key.Help().Desc + "   ", plain})
	}
	if d.phrase != "" {
		return append(l, span{"Esc", accent}, span{" leaves everything as it is", plain})
	}
	return append(l, span{"N", accent}, span{" or Enter or Esc: no (default)", plain})
}

func (d *dialog) scrollBy(m *model, by int) {
	_, _, _, body, room := d.measure(m)
	d.scroll = max(0, min(d.scroll+by, len(body)-room))
}

func (d *dialog) draw(m *model, _, _ int) ([]string, int) {
	w, above, below, body, room := d.measure(m)
	t := &m.theme
	if !d.fits(m) {
		need := len(above) + len(below) + min(len(body), leastBody) + 3
		return d.tooSmall(m, w, max(minHeight, need))
	}
	d.scroll = max(0, min(d.scroll, len(body)-room))
	var out []string
	add := func(ls []line) {
		for _, l := range ls {
			out = append(out, t.plainly(append(own(plain, " "), l...), w-2))
		}
	}
	add(above)
	remark := line{}
	if room < len(body) {
		remark = own(dim, fmt.Sprintf("%s%s %d-%d of %d", t.glyphs.up, t.glyphs.down, d.scroll+1, d.scroll+room, len(body)))
	}
	add(body[d.scroll:min(len(body), d.scroll+max(room, 0))])
	add(below)
	f := t.glyphs.thin
	if d.frame == production {
		f = t.glyphs.thick
	}
	return t.box(f, d.frame, line{{" " + d.word + " ", d.label}}, remark, out, w, len(out)+2), w
}

// tooSmall says which size the dialog needs; until then it takes no answer.
func (d *dialog) tooSmall(m *model, w, h int) ([]string, int) {
	t := &m.theme
	ls := append([]line{}, wrapped(strong, d.title, w-4)...)
	ls = append(ls, wrapped(warn, fmt.Sprintf("This does not fit in %dx%d and cannot be confirmed: make the terminal at least %dx%d.", m.w, m.h, minWidth, h), w-4)...)
	ls = append(ls, own(plain, "Esc leaves everything as it is"))
	ls = ls[:min(len(ls), max(0, m.h-3))]
	var out []string
	for _, l := range ls {
		out = append(out, t.plainly(append(own(plain, " "), l...), w-2))
	}
	return t.box(t.glyphs.thin, d.frame, line{{" " + d.word + " ", d.label}}, nil, out, w, len(out)+2), w
}
