package ui

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// head names what is down: the list may be longer than the screen.
func (s *dayScreen) head() (title, remark line) {
	title = own(strong, "Day")
	looked, down := 0, ""
	for _, p := range s.m.view.Watched {
		switch {
		case p.At.IsZero():
		case p.OK:
			looked++
		default:
			looked, down = looked+1, down+" "+config.Inert(p.Name)
		}
	}
	switch {
	case looked == 0:
	case down == "":
		remark = own(ok, fmt.Sprintf("%d of %d up", looked, len(s.m.view.Watched)))
	default:
		remark = own(bad, ansi.Truncate("DOWN:"+down, max(20, s.m.w/3), s.m.theme.glyphs.ellipsis))
	}
	return title, remark
}

func (s *dayScreen) row(i int) row {
	r := s.rows[i]
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	left := func(status checklist.Status, role role, text role, title string) line {
		return line{{" " + mark, accent}, {s.m.theme.glyphs.status[status] + " ", role}, {config.Inert(title), text}}
	}
	switch {
	case r.item != nil:
		text := plain
		if r.item.Status == checklist.StatusBlocked || r.item.Status == checklist.StatusWaiting {
			text = dim
		}
		return row{left: left(r.item.Status, statusRole(r.item.Status), text, r.item.Title), right: s.remark(r)}
	case r.probe != nil:
		status, role := checklist.StatusDone, ok
		switch {
		case r.probe.At.IsZero():
			status, role = checklist.StatusReady, dim
		case !r.probe.OK:
			status, role = checklist.StatusFailed, bad
		}
		l := left(status, role, plain, r.probe.Name)
		if role == bad {
			l = append(l, span{"  " + config.Inert(r.probe.Words), dim})
		}
		return row{left: l, right: line{{s.since(r.probe) + " ", role}}}
	case r.target != nil:
		return row{left: line{{" " + mark, accent}, {s.m.theme.glyphs.warning + " ", warn}, {config.Inert(r.target.Name), plain}, {"  " + config.Inert(r.target.Apart[0]), dim}}}
	case r.view != nil:
		return row{left: append(line{{" " + config.Inert(r.view.Release.ID), heading}}, s.due(r.view)...), right: s.rest(r.view)}
	}
	return row{left: own(heading, " "+r.words)}
}

// remark is when an item may or must be done, how long it takes, or what it waits
// for.
func (s *dayScreen) remark(r dayRow) line {
	it, now := r.item, s.m.view.Now
	l := line{}
	if it.Late {
		l = own(bad, "LATE "+took(now.Sub(it.Closes))+"  ")
	}
	word := span{string(it.Status) + " ", statusRole(it.Status)}
	switch {
	case it.Status == checklist.StatusBlocked:
		if first, ok := r.view.Awaits(*it); ok {
			word = span{"after " + ansi.Truncate(config.Inert(first.Title), max(16, s.m.w/5), s.m.theme.glyphs.ellipsis) + " ", dim}
		}
	case it.Status == checklist.StatusWaiting && it.Opens.After(now):
		word = span{"opens in " + took(it.Opens.Sub(now)) + " ", warn}
	case it.Status == checklist.StatusRunning:
		word.text = s.going(it) + " "
	case it.Closes.After(now):
		l = append(l, span{took(it.Closes.Sub(now)) + " left  ", warn})
	case it.Usual > 0:
		l = append(l, span{"~" + took(it.Usual) + "  ", dim})
	}
	return append(l, word)
}

// going is how far a running item is, and when it will be over.
func (s *dayScreen) going(it *checklist.ItemView) string {
	if it.State == nil || it.State.Run == nil {
		return string(it.Status)
	}
	word := "running"
	if r, ok := s.m.runView(it.State.Run.Run); ok && r.Status.Total > 1 {
		word = fmt.Sprintf("%d%%", percent(r.Status))
	}
	since := s.m.view.Now.Sub(it.State.Run.Started)
	if it.Usual > since {
		return word + " ~" + took(it.Usual-since) + " left"
	}
	return word + " for " + took(since)
}

func (s *dayScreen) since(p *pipeline.Watched) string {
	if p.At.IsZero() {
		return "not looked yet"
	}
	word := "up"
	if !p.OK {
		word = "DOWN"
	}
	return word + " " + age(s.m.view.Now.Sub(p.Since))
}

// due is the time to go until a release is due, and when it will be done.
func (s *dayScreen) due(v *checklist.View) line {
	now := s.m.view.Now
	l := own(dim, "  no due time")
	if due := v.Release.Due; !due.IsZero() {
		role := plain
		if due.Before(now) {
			role = warn
		}
		l = own(role, "  "+tMinus(due.Sub(now)))
	}
	eta := v.ETA(now)
	switch {
	case eta.IsZero():
	case !v.Release.Due.IsZero() && eta.After(v.Release.Due):
		l = append(l, span{"  ETA " + minute(eta, now) + " LATE", bad})
	default:
		l = append(l, span{"  ETA " + minute(eta, now), dim})
	}
	return l
}

// rest is how much of a release is done, and what is not listed of it.
func (s *dayScreen) rest(v *checklist.View) line {
	l := own(plain, fmt.Sprintf("%d/%d ", v.Done, v.Total))
	if _, more := v.Agenda(); more > 0 {
		l = append(line{{fmt.Sprintf("%d more after these  ", more), dim}}, l...)
	}
	return l
}
