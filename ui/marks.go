package ui

import (
	"context"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/pipeline"
)

// markAction marks the selected target to go together with others, and goes on
// to the next.
func (s *targetScreen) markAction() action {
	return action{key: bind("mark", " "), writes: true, when: s.selected() != nil, do: func() tea.Cmd {
		name := s.selected().Name
		if s.marked[name] {
			delete(s.marked, name)
		} else {
			s.marked[name] = true
		}
		s.l.move(1)
		return s.m.follow()
	}}
}

// markAllAction marks every target in the list that has something to promote.
func (s *targetScreen) markAllAction() action {
	var names []string
	for _, i := range s.rows {
		t := &s.m.view.Targets[i]
		if t.Staging != "" && t.Unseen == "" && !t.InStep() && t.Drift == "" && !s.marked[t.Name] {
			names = append(names, t.Name)
		}
	}
	return action{key: bind("mark all", "m"), writes: true, when: len(names) > 0, why: "no other target differs", do: func() tea.Cmd {
		for _, name := range names {
			s.marked[name] = true
		}
		return nil
	}}
}

// together are the actions while n targets are marked: what can be done with
// all of them.
func (s *targetScreen) together(n int) []action {
	do := func(verb, title string) func() tea.Cmd {
		return func() tea.Cmd {
			var jobs []pipeline.Job
			for _, t := range s.m.view.Targets { // in the order of the configuration
				if s.marked[t.Name] {
					jobs = append(jobs, pipeline.Job{Verb: verb, Target: t.Name})
				}
			}
			return s.m.planGroup(title, func(context.Context) ([]pipeline.Job, error) { return jobs, nil })
		}
	}
	marked := fmt.Sprintf("%d marked", n)
	back := false
	for name := range s.marked {
		t, _ := s.m.targetView(name)
		back = back || len(earlier(&t)) > 0
	}
	return []action{
		{key: bind("promote "+marked, "p"), writes: true, when: true, do: do("promote", "promote "+marked)},
		{key: bind("roll back "+marked, "r"), writes: true, when: back, why: "none of them served anything else before", do: do("rollback", "roll back "+marked)},
		s.markAction(),
		s.markAllAction(),
	}
}
