package filelist

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline/walk"
)

// scope is a directory with its own lists.
type scope struct {
	config.Scope
	names []string // of all files that lists of it have, those that keep the one before too
}

// first is the name of the list with times that others are copies of; empty
// without one.
func (s *scope) first() string {
	if len(s.Times) == 0 {
		return ""
	}
	return s.Times[0]
}

// old is the name that keeps the first list from before; empty without one.
func (s *scope) old() string {
	if len(s.Times) == 0 {
		return ""
	}
	return s.Times[0] + "-old"
}

// has tells whether a name in the scope's own directory is that of a list.
func (s *scope) has(name string) bool { return slices.Contains(s.names, name) }

// free refuses a directory that is in the place of a list.
func (s *scope) free(d *walk.Dir) error {
	for _, name := range s.names {
		if e, ok := d.Entry(name); ok && e.Dir != nil {
			return refused(fmt.Sprintf("%s of scope %s is a directory", name, s.Dir), "move it away, or give the list another name")
		}
	}
	return nil
}

// word is the scope in an alarm: letters, digits and dashes.
func (s *scope) word() string {
	if s.Dir == "." {
		return "root"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s.Dir))
}

// scopes are those of the configuration, the ones that lie deepest first: lists
// of the others name theirs.
func scopes(l *config.FileLists) ([]scope, error) {
	var all []scope
	dirs := map[string]bool{}
	for _, c := range l.Scopes {
		c.Dir = path.Clean(c.Dir)
		if c.Dir != "." && !filepath.IsLocal(c.Dir) || dirs[c.Dir] {
			return nil, fmt.Errorf("file lists %s: scope %q is no directory below %s, or there twice", l.Name, config.Inert(c.Dir), l.Root)
		}
		dirs[c.Dir] = true
		s := scope{Scope: c}
		for _, name := range append([]string{c.Full, s.old()}, c.Times...) {
			switch {
			case name == "":
			case name != filepath.Base(name) || !filepath.IsLocal(name) || len(name) > nameLimit || strings.ContainsAny(name, "\t\n\\") || s.has(name):
				return nil, fmt.Errorf("file lists %s: %q in scope %s is no name for a list, or there twice", l.Name, config.Inert(name), c.Dir)
			default:
				s.names = append(s.names, name)
			}
		}
		if len(s.names) == 0 {
			return nil, config.Hint(fmt.Errorf("file lists %s: scope %s has no list", l.Name, c.Dir), "name full, times or both")
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("file lists %s have no scopes", l.Name)
	}
	slices.SortStableFunc(all, func(a, b scope) int { return cmp.Compare(depth(b.Dir), depth(a.Dir)) })
	return all, nil
}

func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return 1 + strings.Count(dir, "/")
}

// find finds the directories of the scopes in a tree.
func (s *step) find(top *walk.Dir) (map[*walk.Dir]*scope, []*walk.Dir, error) {
	of := map[*walk.Dir]*scope{}
	dirs := make([]*walk.Dir, len(s.scopes))
	for i := range s.scopes {
		d := top.Find(s.scopes[i].Dir)
		if d == nil || d.Gone || d.Unreadable {
			return nil, nil, config.Hint(fmt.Errorf("%s has no directory %s that can be read", s.root, config.Inert(s.scopes[i].Dir)), "make it, or take the scope out of file_lists in release.yaml")
		}
		of[d], dirs[i] = &s.scopes[i], d
	}
	return of, dirs, nil
}

// within are the paths of the lists of other scopes in a scope.
func (s *step) within(sc *scope) map[string]bool {
	all := map[string]bool{}
	for i := range s.scopes {
		other := &s.scopes[i]
		if other == sc || !inside(other.Dir, sc.Dir) {
			continue
		}
		for _, name := range other.names {
			all[strings.TrimPrefix(path.Join(other.Dir, name), sc.prefix())] = true
		}
	}
	return all
}

// outer tells of each scope whether it is in no other one.
func (s *step) outer() []bool {
	all := make([]bool, len(s.scopes))
	for i := range s.scopes {
		all[i] = !slices.ContainsFunc(s.scopes, func(o scope) bool {
			return o.Dir != s.scopes[i].Dir && inside(s.scopes[i].Dir, o.Dir)
		})
	}
	return all
}

// prefix is what paths in the scope begin with, seen from the root.
func (s *scope) prefix() string {
	if s.Dir == "." {
		return ""
	}
	return s.Dir + "/"
}

func inside(dir, of string) bool { return of == "." || dir == of || strings.HasPrefix(dir, of+"/") }
