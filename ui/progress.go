package ui

import (
	"fmt"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// progress draws how far a run is: phase, bar, rate, time left, what it is at.
func (m *model) progress(s pipeline.Status, w int) []line {
	if s.Phase == "" && s.Total == 0 && s.Done == 0 {
		return []line{own(dim, "no progress told yet")}
	}
	amount := func(n int64) string {
		if s.Unit == pipeline.Bytes {
			return size(n)
		}
		return count(n)
	}
	rate, left := s.Rate()
	tail := ""
	if s.Unit != pipeline.Bytes && s.Unit != pipeline.Files {
		rate, left = 0, 0 // steps take each as long as they take
	}
	if rate >= 1 {
		tail = "  " + amount(int64(rate)) + "/s"
	}
	if left > 0 {
		tail += "  " + took(left) + " left"
	}
	ls := []line{{{config.Inert(s.Phase), accent}}}
	if s.Total > 0 {
		ls[0] = append(ls[0], span{"  " + amount(s.Done) + " of " + amount(s.Total) + tail, plain})
		ls = append(ls, m.bar(percent(s), w))
	} else if s.Done > 0 {
		ls[0] = append(ls[0], span{"  " + amount(s.Done) + tail, plain})
	}
	if s.Current != "" {
		ls = append(ls, said(dim, s.Current))
	}
	return ls
}

// bar draws a part of a hundred in w cells.
func (m *model) bar(percent, w int) line {
	cells := max(1, min(w-5, 60))
	full := cells * percent / 100
	g := &m.theme.glyphs
	return line{
		{strings.Repeat(g.full, full), accent}, {strings.Repeat(g.empty, cells-full), dim},
		{fmt.Sprintf(" %3d%%", percent), strong},
	}
}
