package storage

import (
	"context"
	"sync"
)

// Uploads of streams hold their bytes in slots until the server has them.
const (
	slotSize    = 8 << 20 // and the size of the parts of a stream
	uploadSlots = 6       // in the whole process
)

// slots are those that are free: their number in the channel, and what was
// allocated of them.
var slots = struct {
	free chan struct{}
	mu   sync.Mutex
	idle []*[]byte
	used int
}{free: make(chan struct{}, uploadSlots)}

// takeSlot waits for a slot. Whoever waits holds none that is not on its way to
// the server, so that all come to an end.
func takeSlot(ctx context.Context) (*[]byte, error) {
	select {
	case slots.free <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	slots.mu.Lock()
	defer slots.mu.Unlock()
	slots.used++
	if n := len(slots.idle); n > 0 {
		b := slots.idle[n-1]
		slots.idle = slots.idle[:n-1]
		return b, nil
	}
	b := make([]byte, slotSize)
	return &b, nil
}

// giveSlot returns a slot; the memory of all goes when none is used.
func giveSlot(b *[]byte) {
	slots.mu.Lock()
	if slots.used--; slots.used == 0 {
		slots.idle = nil
	} else {
		slots.idle = append(slots.idle, b)
	}
	slots.mu.Unlock()
	<-slots.free
}
