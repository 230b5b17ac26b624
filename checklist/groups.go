package checklist

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

func (s *State) grouped(e Event, g Grouped) error {
	if g.Group == "" {
		return errors.New("a group without an id")
	}
	if s.Group(g.Group) != nil {
		return fmt.Errorf("group %s began already", brief(g.Group))
	}
	before := map[string]*Pointers{}
	for _, target := range g.Targets {
		before[target] = s.Targets[target]
	}
	s.Groups = append(s.Groups, &Group{Grouped: g, Release: e.Release, Actor: e.Actor, Host: e.Host, Started: e.Time, Before: before})
	return nil
}

func (s *State) groupOver(e Event, over GroupOver) error {
	for i, g := range s.Groups {
		if g.Group != over.Group {
			continue
		}
		if g.Ended != nil {
			return fmt.Errorf("group %s had ended", brief(over.Group))
		}
		ended := *g
		ended.Ended, ended.EndedAt = &over, e.Time
		s.Groups[i] = &ended
		return nil
	}
	return fmt.Errorf("group %s never began", brief(over.Group))
}

// movedIn notes that a target of a group moved, if it is one.
func (s *State) movedIn(group, target string, m Move) {
	for i, g := range s.Groups {
		if group == "" || g.Group != group || !slices.Contains(g.Targets, target) {
			continue
		}
		moved := *g
		if moved.Moved = maps.Clone(g.Moved); moved.Moved == nil {
			moved.Moved = map[string]Move{}
		}
		moved.Moved[target] = m
		s.Groups[i] = &moved
	}
}

// Group finds a group by its id, or returns nil.
func (s State) Group(id string) *Group {
	for _, g := range slices.Backward(s.Groups) {
		if g.Group == id {
			return g
		}
	}
	return nil
}

// Partial is the latest group, where it moved some of its targets and not all of
// them; or nil. It is nil, too, once one of those that moved was moved by other
// means, or all of those that did not were.
func (s State) Partial() *Group {
	if len(s.Groups) == 0 {
		return nil
	}
	g := s.Groups[len(s.Groups)-1]
	if g.Whole() || len(g.Moved) == 0 {
		return nil
	}
	rest := 0
	for _, target := range g.Targets {
		if m, moved := g.Moved[target]; moved {
			if s.Targets[target].at(m.Pointer) != m.To {
				return nil
			}
		} else if s.Targets[target].at("production") == g.Before[target].at("production") {
			rest++
		}
	}
	if rest == 0 {
		return nil
	}
	return g
}

// at is where a pointer is; there may be none of the target at all.
func (p *Pointers) at(pointer string) string {
	if p == nil {
		return ""
	}
	return p.Current[pointer]
}
