package tree

import (
	"cmp"
	"slices"
)

// member is a file of the source that has several names, under one of them.
type member struct{ change }

// grouped decides what becomes of files with several names: they have the same
// names in the destination, whatever others theirs has there.
func grouped(all []member) []change {
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.new.dev, b.new.dev), cmp.Compare(a.new.ino, b.new.ino), order(a.change, b.change))
	})
	var changes []change
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].new.ino == all[0].new.ino && all[n].new.dev == all[0].new.dev {
			n++
		}
		changes = append(changes, group(all[:n])...)
		all = all[n:]
	}
	return changes
}

// group decides for the names of one file. The first that is there as it is to
// be leads; where none is, the first that is dealt with.
func group(names []member) []change {
	var leader *member
	for i := range names {
		if m := &names[i]; m.old != nil && m.new.alike(m.old) {
			leader = m
			break
		}
	}
	there := leader != nil
	for i := range names {
		m := &names[i]
		if !there && (leader == nil || stageOf(m.dir, m.name, file) < stageOf(leader.dir, leader.name, file)) {
			leader = m
		}
	}
	var changes []change
	for i := range names {
		m := &names[i]
		switch {
		case m == leader && there:
			continue
		case m == leader:
		case there && m.old != nil && m.new.alike(m.old) && m.old.ino == leader.old.ino && m.old.dev == leader.old.dev:
			continue
		default:
			m.leader = leader.path()
		}
		changes = append(changes, m.change)
	}
	return changes
}
