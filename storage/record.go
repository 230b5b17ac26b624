package storage

import (
	"bytes"
	"context"
	"time"
)

// Encode gives a manifest's stored form, for trades that keep it elsewhere than
// in a tree.
func (m *Manifest) Encode() ([]byte, error) {
	var b bytes.Buffer
	if err := m.check(); err != nil {
		return nil, err
	}
	err := m.encode(&b)
	return b.Bytes(), err
}

// NextID is the second that names a new snapshot: that of now, which must be
// later than those ids, the newest last, and than after, the Unix second of
// whatever was published before. Where it is not, NextID waits for the next
// second; a clock that is more than two seconds behind is an error.
func NextID(ctx context.Context, ids []string, now time.Time, after int64) (time.Time, error) {
	return nextID(ctx, ids, now, after)
}
