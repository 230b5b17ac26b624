package ui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
)

// View draws the screen: exactly as many lines as it has, each as wide as it is.
func (m *model) View() string {
	if m.tooSmall() {
		return m.smallView()
	}
	l := m.layout()
	lines := append(m.header(l.header), m.drawAll(m.banners())...)
	list := m.listBox(l.list)
	detail := m.detailBox(l.detail)
	if m.w >= wide {
		for i := range list {
			lines = append(lines, list[i]+detail[i])
		}
	} else {
		lines = append(append(lines, list...), detail...)
	}
	lines = append(lines, m.footer(l.footer)...)
	if m.mode == asking {
		box, w := m.modal.draw(m, m.w, m.h-1)
		box = box[:min(len(box), m.h)]
		over(lines, box, max(0, (m.w-w)/2), max(1, (m.h-len(box))/2), w)
	}
	return strings.Join(lines[:min(len(lines), m.h)], "\n")
}

// smallView says that there is no room, in as much room as there is.
func (m *model) smallView() string {
	text := fmt.Sprintf("%dx%d is too small, gantry needs %dx%d; gantry status works here", m.w, m.h, minWidth, minHeight)
	if m.view.Hold != nil {
		text = "HOLD. " + text
	}
	var out []string
	for _, l := range wrapped(plain, text, max(1, m.w)) {
		out = append(out, m.theme.plainly(l, m.w))
	}
	return strings.Join(out[:min(len(out), max(0, m.h))], "\n")
}

func (m *model) drawAll(ls []line) []string {
	var out []string
	for _, l := range ls {
		out = append(out, m.theme.plainly(l, m.w))
	}
	return out
}

// header says what is worked on, what is served, who acts and how long there is.
func (m *model) header(lines int) []string {
	left := line{{" gantry  ", accent}, {config.Inert(m.view.Product), strong}}
	if r := m.view.Checklist.Release; r != nil {
		left = append(left, span{" " + config.Inert(r.Version) + " " + config.Inert(r.Kind), strong})
	}
	right := line{}
	if m.readOnly() {
		right = append(right, span{" READ-ONLY ", alarm}, span{"  ", plain})
	}
	right = append(right, span{config.Inert(m.view.Actor), plain})
	if r := m.view.Checklist.Release; r != nil && !r.Due.IsZero() {
		role := plain
		d := r.Due.Sub(m.view.Now)
		if d < 0 {
			role = warn
		}
		right = append(right, span{"  " + tMinus(d), role})
	}
	right = append(right, span{" ", plain})
	if lines == 1 {
		const gaps = 8
		tunnels := m.tunnelLine(func(t line) bool {
			room := m.w - left.width() - right.width() - t.width() - gaps
			return m.served(room).width() <= room
		})
		right = append(tunnels, right...)
		served := append(line{{"    ", plain}}, m.served(m.w-left.width()-right.width()-gaps)...)
		return []string{m.theme.row(row{append(left, served...), right}, m.w, false)}
	}
	tunnels := m.tunnelLine(func(t line) bool { return m.served(m.w-3-t.width()).width() <= m.w-3-t.width() })
	return []string{
		m.theme.row(row{left, right}, m.w, false),
		m.theme.row(row{append(line{{" ", plain}}, m.served(m.w-3-tunnels.width())...), tunnels}, m.w, false),
	}
}

// served is what the target in question serves, in at most w cells.
func (m *model) served(w int) line {
	name := m.screen().target()
	if name == "" && len(m.view.Targets) == 1 {
		name = m.view.Targets[0].Name
	}
	t, found := m.targetView(name)
	if !found {
		drift, unseen := 0, 0
		for _, t := range m.view.Targets {
			if t.Drift != "" {
				drift++
			}
			if t.Unseen != "" {
				unseen++
			}
		}
		l := own(dim, plural(len(m.view.Targets), "target", "targets"))
		if drift > 0 {
			l = append(l, span{fmt.Sprintf("  %d with DRIFT", drift), bad})
		}
		if unseen > 0 {
			l = append(l, span{fmt.Sprintf("  %d UNSEEN", unseen), bad})
		}
		return l
	}
	g := &m.theme.glyphs
	say := func(id func(string) string) line {
		l := line{{config.Inert(t.Name) + "  ", dim},
			{"staging ", plain}, {config.Inert(id(served(&t, t.Staging))) + " " + g.staging, staging},
			{"   production ", plain}, {config.Inert(id(served(&t, t.Production))) + " " + g.production, production}}
		switch {
		case t.Drift != "":
			l = append(l, span{"  DRIFT", bad})
		case t.Staging != "" && !t.InStep() && t.Label(t.Staging) == t.Label(t.Production):
			l = append(l, span{"  differs", warn}) // by the same name
		}
		return l
	}
	if l := say(func(id string) string { return id }); l.width() <= w {
		return l
	}
	return say(short)
}

// troubleLines is how many lines of trouble stand above every view.
const troubleLines = 2

// halfLines is the same of what is half done, which ends in what to do.
const halfLines = 3

// banners are what nobody may overlook.
func (m *model) banners() []line {
	var ls []line
	if h := m.view.Hold; h != nil {
		text := fmt.Sprintf(" HOLD  by %s at %s UTC  %s", config.Inert(h.Actor), clock(h.Time, m.view.Now), config.Inert(h.Reason))
		text = ansi.Truncate(text, m.w, m.theme.glyphs.ellipsis)
		ls = append(ls, own(alarm, text+strings.Repeat(" ", max(0, m.w-ansi.StringWidth(text)))))
	}
	ls = append(ls, m.groupBanner()...)
	trouble := m.trouble
	if since := m.now().Sub(m.looked); m.looking && since > patience {
		trouble = "the stores have not answered for " + took(since) + "; what is shown is as old"
	}
	if trouble == "" && len(m.view.Trouble) > 0 {
		trouble = m.view.Trouble[0]
		if n := len(m.view.Trouble); n > 1 {
			trouble += fmt.Sprintf(" (and %d more, see the journal)", n-1)
		}
	}
	if trouble != "" {
		ls = append(ls, labelled(" TROUBLE  ", trouble, m.w, troubleLines)...)
	}
	for i := range m.view.Targets {
		if t := &m.view.Targets[i]; halfDone(&m.view, t) {
			ls = append(ls, labelled(" HALF DONE  ", t.Name+": "+t.Apart[0], m.w, halfLines)...)
			break // the day and the targets have them all
		}
	}
	return append(ls, m.tunnelBanners()...)
}

// listBox draws the list's rows that are in sight.
func (m *model) listBox(r rect) []string {
	s := m.screen()
	l := s.list()
	inner := max(0, r.w-2)
	from, to := l.window(max(0, r.h-2))
	out := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, m.theme.row(s.row(i), inner, i == l.cursor && m.focus == onList))
	}
	title, remark := s.head()
	if l.wanted != "" {
		title = append(title, span{"  /" + config.Inert(l.wanted), accent})
	}
	edge := dim
	if m.focus == onList {
		edge = accent
	}
	return m.theme.box(m.theme.glyphs.thin, edge, title, remark, out, r.w, r.h)
}

// detailBox draws the detail of what is selected, and its log beneath.
func (m *model) detailBox(r rect) []string {
	s := m.screen()
	w, h := max(1, r.w-4), max(0, r.h-2)
	head, body := s.detail(w)
	n, logs := len(body), m.log.drawn()
	at := func(i int) line {
		if i < n {
			return body[i]
		}
		return m.log.line(i - n)
	}
	var ls []line
	switch {
	case m.focus == onDetail:
		if m.log.tail {
			m.log.scroll = n + logs - h
		}
		m.log.scroll = max(0, min(m.log.scroll, n+logs-h))
		for i := m.log.scroll; i < min(n+logs, m.log.scroll+h); i++ {
			ls = append(ls, at(i))
		}
	default:
		// Not scrolled: the beginning of the detail, and the end of the log.
		room := max(0, min(logs, max(h-n, h/3)))
		ls = append(ls, body[:min(n, h-room)]...)
		if room > 0 {
			ls = append(ls, m.log.line(0))
			for i := logs - room + 1; i < logs; i++ {
				ls = append(ls, m.log.line(i))
			}
		}
	}
	out := make([]string, 0, len(ls))
	for _, l := range ls {
		if m.focus == onDetail {
			l = l.from(m.log.aside)
		}
		out = append(out, m.theme.plainly(append(own(plain, " "), l...), max(0, r.w-2)))
	}
	title := head[0]
	if m.focus == onDetail && m.log.aside > 0 {
		title = append(title, span{fmt.Sprintf("  from column %d", m.log.aside+1), accent})
	}
	if m.log.search != "" {
		title = append(title, span{"  /" + m.log.search, accent})
	}
	edge := dim
	if m.focus == onDetail {
		edge = accent
		if m.cut() {
			title = append(title, span{"  right: more", accent})
		}
	}
	if s.danger() == checklist.Production && m.focus == onDetail {
		edge = production
	}
	return m.theme.box(m.theme.glyphs.thin, edge, title, head[1], out, r.w, r.h)
}
