package oci

import (
	"io"
	"net"
	"sync"
	"time"
)

// wire is a connection to a registry. It gives up where the other side falls
// silent, and sends layers in large pieces.
type wire struct{ net.Conn }

var pieces = sync.Pool{New: func() any { b := make([]byte, 512<<10); return &b }}

func (w *wire) Read(b []byte) (int, error) {
	w.Conn.SetReadDeadline(time.Now().Add(silence))
	return w.Conn.Read(b)
}

// Write puts the deadline of an answer off too: a registry may listen for long.
func (w *wire) Write(b []byte) (int, error) {
	w.Conn.SetDeadline(time.Now().Add(silence))
	return w.Conn.Write(b)
}

// ReadFrom is what net/http sends bodies by.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	b := pieces.Get().(*[]byte)
	defer pieces.Put(b)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, *b)
}
