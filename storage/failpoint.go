package storage

import "sync/atomic"

// reached is told of every failpoint; nil outside tests.
var reached atomic.Pointer[func(point string)]

// OnReach makes f hear of every failpoint that is passed, in every goroutine;
// nil ends that. It is for tests that end the process at a chosen point.
func OnReach(f func(point string)) {
	if f == nil {
		reached.Store(nil)
		return
	}
	reached.Store(&f)
}

// Reach marks a point at which a crash must do no harm. It costs one atomic
// load where nobody listens.
func Reach(point string) {
	if f := reached.Load(); f != nil {
		(*f)(point)
	}
}

// Points lists the failpoints of this package, in the order in which an append,
// a build and a flip pass them.
func Points() []string {
	return []string{
		"journal.append.begin",
		"put.written",
		"put.synced",
		"put.named",
		"put.durable",
		"journal.append.end",
		"build.begun",
		"build.file.written",
		"build.file.synced",
		"build.linked",
		"build.dirs.synced",
		"build.verified",
		"build.manifest.synced",
		"build.complete",
		"build.renamed",
		"build.durable",
		"flip.checked",
		"flip.linked",
		"flip.renamed",
		"flip.synced",
		"remove.renamed",
		"remove.synced",
	}
}
