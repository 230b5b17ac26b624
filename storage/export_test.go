package storage

// Stranger makes leases those of a process that others cannot look at.
func Stranger(l *Leases) *Leases {
	l.self = process{PID: 1}
	return l
}

// StrangerTree does the same to the leases of a tree's builds.
func StrangerTree(t Tree) Tree {
	Stranger(t.(*storeTree).leases)
	return t
}
