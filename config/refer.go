package config

import (
	"fmt"
	"strings"
)

// refer checks that a list has an entry of this name. An empty name is none to
// look for.
func refer[T any](c *checker, at, what, list string, name Name, all []T, of func(*T) Name) {
	if _, ok := find(all, string(name), of); ok || name == "" || c.given(list) && !c.sound(list) {
		return
	}
	var known []string
	for i := range all {
		if of(&all[i]) == "" {
			return // it may be the one that could not be read
		}
		known = append(known, string(of(&all[i])))
	}
	words := strings.ReplaceAll(list, "_", " ")
	hint := words + " are " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = fmt.Sprintf("there are no %s yet: write one under %s", words, list)
	}
	c.fail(at, fmt.Sprintf("no %s %s", what, name), hint)
}

// tunnel checks that there is a tunnel of this name.
func (c *checker) tunnel(at string, name Name) {
	refer(c, at, "tunnel", "tunnels", name, c.r.Tunnels, func(t *Tunnel) Name { return t.Name })
}
