package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"gantry/config"
)

// span is a piece of text in a role; line is spans side by side.
type span struct {
	text string
	role role
}

type line []span

// said makes a line of one role of text from outside.
func said(r role, text string) line { return line{{config.Inert(text), r}} }

// own makes a line of one role of the console's own words.
func own(r role, text string) line { return line{{text, r}} }

func (l line) width() int {
	w := 0
	for _, s := range l {
		w += ansi.StringWidth(s.text)
	}
	return w
}

// draw renders a line exactly w cells wide: what is longer ends in an ellipsis,
// what is shorter is padded.
func (t *theme) draw(l line, w int, inks *[roles]ink) string {
	if w <= 0 {
		return ""
	}
	var b strings.Builder
	left := w
	for i, s := range l {
		if left <= 0 {
			break
		}
		sw := ansi.StringWidth(s.text)
		text := s.text
		rest := 0
		if sw >= left {
			for _, n := range l[i+1:] {
				rest += ansi.StringWidth(n.text)
			}
		}
		if sw > left || sw == left && rest > 0 {
			text = ansi.Truncate(s.text+" ", left, t.glyphs.ellipsis)
			sw = ansi.StringWidth(text)
			b.WriteString(inks[s.role].paint(text))
			left -= sw
			break
		}
		b.WriteString(inks[s.role].paint(text))
		left -= sw
	}
	if left > 0 {
		b.WriteString(inks[plain].paint(strings.Repeat(" ", left)))
	}
	return b.String()
}

// plainly renders a line w cells wide, not selected.
func (t *theme) plainly(l line, w int) string { return t.draw(l, w, &t.inks) }

// row is a line with something at its right end, which is kept whole as long as
// it leaves some room.
type row struct{ left, right line }

func (t *theme) row(r row, w int, selected bool) string {
	inks := &t.inks
	if selected {
		inks = &t.marked
	}
	rw := min(r.right.width(), w*3/5)
	if rw == 0 {
		return t.draw(r.left, w, inks)
	}
	return t.draw(r.left, w-rw-1, inks) + inks[plain].paint(" ") + t.draw(r.right, rw, inks)
}

// from is what is left of a line without its first n cells.
func (l line) from(n int) line {
	for i, s := range l {
		sw := ansi.StringWidth(s.text)
		if sw > n {
			return append(line{{ansi.TruncateLeft(s.text, n, ""), s.role}}, l[i+1:]...)
		}
		n -= sw
	}
	return nil
}

// wrapped breaks text from outside into lines of at most w cells.
func wrapped(r role, text string, w int) []line {
	if w < 1 || text == "" {
		return nil
	}
	var out []line
	for para := range strings.SplitSeq(text, "\n") {
		for part := range strings.SplitSeq(ansi.Wrap(config.Inert(para), w, ""), "\n") {
			out = append(out, own(r, strings.TrimRight(part, " ")))
		}
	}
	return out
}

// hard breaks a text from outside that must be read letter by letter: nothing of
// it is dropped at the ends of lines.
func hard(r role, text string, w int) []line {
	if w < 1 {
		return nil
	}
	var out []line
	for part := range strings.SplitSeq(ansi.Hardwrap(config.Inert(text), w, true), "\n") {
		out = append(out, own(r, part))
	}
	return out
}

// leastTitle is the room that a box's title keeps beside its remark.
const leastTitle = 12

// box draws lines in a frame with a title at its left and a remark at its right.
// Its result is h strings of w cells.
func (t *theme) box(f frame, r role, title, remark line, content []string, w, h int) []string {
	if w < 4 || h < 2 {
		return blank(w, h)
	}
	edge := t.inks[r]
	inner := w - 2
	out := make([]string, 0, h)
	head := append(append(line{{" ", plain}}, title...), span{" ", plain})
	tail := line{}
	if len(remark) > 0 {
		tail = append(append(line{{" ", plain}}, remark...), span{" ", plain})
	}
	tw := tail.width()
	if tw+leastTitle+2 > inner {
		tw = 0
	}
	hw := min(head.width(), inner-1-tw)
	top := edge.paint(f.tl) + t.plainly(head, hw) + edge.paint(strings.Repeat(f.h, max(0, inner-hw-tw-1)))
	if tw > 0 {
		top += t.plainly(tail, tw)
	}
	out = append(out, top+edge.paint(f.h+f.tr))
	for i := range h - 2 {
		s := ""
		if i < len(content) {
			s = content[i]
		} else {
			s = strings.Repeat(" ", inner)
		}
		out = append(out, edge.paint(f.v)+s+edge.paint(f.v))
	}
	return append(out, edge.paint(f.bl+strings.Repeat(f.h, inner)+f.br))
}

// blank is h strings of w spaces.
func blank(w, h int) []string {
	out := make([]string, max(0, h))
	for i := range out {
		out[i] = strings.Repeat(" ", max(0, w))
	}
	return out
}

// over lays strings of the width w upon others, at a column and row.
func over(base, top []string, x, y, w int) {
	for i, s := range top {
		if y+i < 0 || y+i >= len(base) {
			continue
		}
		under := base[y+i]
		left := ansi.Truncate(under, x, "")
		left += strings.Repeat(" ", max(0, x-ansi.StringWidth(left)))
		rest := max(0, ansi.StringWidth(under)-x-w)
		right := ansi.TruncateLeft(under, x+w, "")
		if ansi.StringWidth(right) > rest {
			right = ansi.TruncateLeft(under, x+w+1, "") // a wide letter stood on the edge
		}
		gap := rest - ansi.StringWidth(right)
		base[y+i] = left + s + strings.Repeat(" ", max(0, gap)) + right
	}
}
