package ui

import (
	"fmt"

	"gantry/checklist"
	"gantry/config"
)

func (s *dayScreen) detail(w int) (head, body []line) {
	r := s.selected()
	switch {
	case r.item != nil:
		return s.itemDetail(r, w)
	case r.probe != nil:
		p := r.probe
		head = []line{said(strong, p.Name), own(dim, "watched")}
		body = append(wrapped(plain, p.URL, w), wrapped(plain, p.Words, w)...)
		if !p.At.IsZero() {
			body = append(body, own(dim, fmt.Sprintf("%s; looked %s ago, took %s", s.since(p), age(s.m.view.Now.Sub(p.At)), took(p.Took))))
		}
		return head, body
	case r.target != nil:
		head = []line{said(strong, r.target.Name), own(warn, "half done")}
		for _, words := range r.target.Apart {
			body = append(body, wrapped(plain, words, w)...)
		}
		return head, append(body, line{}, own(dim, "enter goes to it in the targets"))
	}
	return []line{own(strong, "Day"), nil}, wrapped(dim, "No release is open, and no probe of release.yaml has watch: true.", w)
}

// itemDetail is how an item stands, and what waits for it.
func (s *dayScreen) itemDetail(r dayRow, w int) (head, body []line) {
	it := r.item
	word, _, label := riskOf(it.Risk)
	head = []line{said(strong, it.Title), {{" " + word + " ", label}}}
	body = []line{{{s.m.theme.glyphs.status[it.Status] + " " + string(it.Status), statusRole(it.Status)}, {"  of " + config.Inert(r.view.Release.ID), dim}}}
	if it.Late {
		body[0] = append(body[0], span{"  LATE", bad})
	}
	body = append(body, wrapped(plain, it.Because, w)...)
	body = append(body, s.m.window(it)...)
	if it.Usual > 0 {
		body = append(body, own(dim, "usually takes "+took(it.Usual)))
	}
	if waiting := r.view.Holds(it.ID); len(waiting) > 0 {
		body = append(body, line{}, own(heading, "What waits for it"))
		for i := range waiting {
			body = append(body, s.waits(&waiting[i]))
		}
	}
	return head, append(body, line{}, own(dim, "enter goes to it in the checklist"))
}

func (s *dayScreen) waits(it *checklist.ItemView) line {
	return line{{s.m.theme.glyphs.status[it.Status] + " ", statusRole(it.Status)}, {config.Inert(it.Title), plain}}
}
