// Package picture draws a frame of a terminal as an SVG, for documents: text on
// a grid of cells, with the colours and weights that the frame asks for by SGR.
package picture

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The grid, in pixels, and the colours of a terminal that was told none.
const (
	cellWidth  = 8.4
	cellHeight = 17.0
	fontSize   = 14.0
	margin     = 12.0
	foreground = "#d5d9e0"
	background = "#14161b"
)

// SVG draws a frame whose lines are parted by line feeds. Its width is that of
// the widest line. title is its accessible name. Sequences other than SGR are
// left out.
func SVG(frame, title string) string {
	lines := strings.Split(frame, "\n")
	cells := 0
	for _, l := range lines {
		cells = max(cells, ansi.StringWidth(l))
	}
	w := float64(cells)*cellWidth + 2*margin
	h := float64(len(lines))*cellHeight + 2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="%s" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`+"\n", escape(title), w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="8" fill="%s"/>`+"\n", w, h, background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%.0f" xml:space="preserve">`+"\n", fontSize)
	for i, l := range lines {
		drawLine(&b, l, margin+float64(i)*cellHeight)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// run is cells of one style side by side.
type run struct {
	style style
	at, n int // cells
	text  string
}

// drawLine draws backgrounds first, so that no letter is cut.
func drawLine(b *strings.Builder, l string, top float64) {
	runs := split(l)
	for _, r := range runs {
		if _, bg := r.style.colours(); bg != background {
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x(r.at), top, float64(r.n)*cellWidth, cellHeight, bg)
		}
	}
	for _, r := range runs {
		if strings.TrimSpace(r.text) == "" {
			continue
		}
		fg, _ := r.style.colours()
		extra := ""
		if r.style.bold {
			extra += ` font-weight="bold"`
		}
		if r.style.faint {
			extra += ` opacity="0.6"`
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" fill="%s"%s>%s</text>`+"\n",
			x(r.at), top+cellHeight*0.76, float64(r.n)*cellWidth, fg, extra, escape(r.text))
	}
}

func x(cell int) float64 { return margin + float64(cell)*cellWidth }

// split cuts a line into runs; spaces at the ends of a run that shows no
// background are cut off, for they need no drawing.
func split(l string) []run {
	var runs []run
	var now style
	at, state := 0, byte(0)
	for len(l) > 0 {
		seq, width, n, next := ansi.DecodeSequence(l, state, nil)
		state, l = next, l[max(1, n):]
		if width == 0 {
			if params, ok := strings.CutPrefix(seq, "\x1b["); ok && strings.HasSuffix(params, "m") {
				now.apply(strings.TrimSuffix(params, "m"))
			}
			continue
		}
		if k := len(runs) - 1; k >= 0 && runs[k].style == now {
			runs[k].text += seq
			runs[k].n += width
		} else {
			runs = append(runs, run{now, at, width, seq})
		}
		at += width
	}
	return trim(runs)
}

func trim(runs []run) []run {
	for i := range runs {
		r := &runs[i]
		if _, bg := r.style.colours(); bg != background {
			continue
		}
		left := len(r.text) - len(strings.TrimLeft(r.text, " "))
		r.at, r.n, r.text = r.at+left, r.n-left, r.text[left:]
		right := len(r.text) - len(strings.TrimRight(r.text, " "))
		r.n, r.text = r.n-right, r.text[:len(r.text)-right]
	}
	return runs
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic("a strings.Builder takes everything: " + err.Error())
	}
	return b.String()
}
