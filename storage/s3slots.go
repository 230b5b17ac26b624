package storage

import (
	"context"
	"sync"
)

// Uploads of streams hold their bytes in slots until the server has them.
const (
	slotSize    = 8 << 20 // and the size of the parts of a stream
	uploadSlots = 8       // in the whole process
)

var slots = struct {
	free    chan struct{}
	buffers sync.Pool
}{
	free:    make(chan struct{}, uploadSlots),
	buffers: sync.Pool{New: func() any { b := make([]byte, slotSize); return &b }},
}

// takeSlot waits for a slot. Whoever waits holds none that is not on its way to
// the server, so that all come to an end.
func takeSlot(ctx context.Context) (*[]byte, error) {
	select {
	case slots.free <- struct{}{}:
		return slots.buffers.Get().(*[]byte), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func giveSlot(b *[]byte) {
	slots.buffers.Put(b)
	<-slots.free
}
