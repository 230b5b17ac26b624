package storage

import (
	"context"
	"sync"
)

// ahead is how many entries are read at a time, where an entry is a request.
const ahead = 16

// loaded is an entry as it was read.
type loaded struct {
	bytes []byte
	err   error
}

// loadAll reads the entries of those keys, several at a time, and calls f with
// them in order, until f returns an error.
func (j *Journal) loadAll(ctx context.Context, keys []string, f func(i int, b []byte, err error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	results := make([]chan loaded, len(keys))
	for i := range results {
		results[i] = make(chan loaded, 1)
	}
	start := func(i int) {
		if i < len(keys) {
			all.Go(func() {
				b, err := j.load(ctx, keys[i])
				results[i] <- loaded{b, err}
			})
		}
	}
	for i := range ahead {
		start(i)
	}
	for i := range keys {
		l := <-results[i]
		start(i + ahead)
		if err := f(i, l.bytes, l.err); err != nil {
			return err
		}
	}
	return nil
}
