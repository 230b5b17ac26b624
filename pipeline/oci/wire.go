package oci

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
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
	if limited, ok := r.(*io.LimitedReader); ok {
		tcp, plain := w.Conn.(*net.TCPConn)
		if p, ok := limited.R.(*part); ok && plain && runtime.GOOS == "linux" {
			return w.send(tcp, p, limited)
		}
	}
	b := pieces.Get().(*[]byte)
	defer pieces.Put(b)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, *b)
}

// send lets the kernel copy a stretch of a file to the connection. It has the
// file opened once more for that, since it goes by the place in it, and several
// stretches of one file are sent at a time.
func (w *wire) send(tcp *net.TCPConn, p *part, limited *io.LimitedReader) (sent int64, err error) {
	file, err := again(p.file)
	if err != nil {
		return 0, fmt.Errorf("read a layer: %w", err)
	}
	defer file.Close()
	const piece = 1 << 20
	for limited.N > 0 && p.left > 0 {
		if _, err := file.Seek(p.at, io.SeekStart); err != nil {
			return sent, fmt.Errorf("read a layer: %w", err)
		}
		w.Conn.SetDeadline(time.Now().Add(silence))
		n, err := tcp.ReadFrom(&io.LimitedReader{R: file, N: min(piece, limited.N, p.left)})
		p.advance(n)
		limited.N -= n
		sent += n
		if err != nil {
			return sent, err
		}
		if n == 0 {
			return sent, io.ErrUnexpectedEOF
		}
	}
	return sent, nil
}

// again opens a file once more that has no name.
func again(f *os.File) (file *os.File, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	// Within Control the number cannot become that of another file.
	if held := raw.Control(func(fd uintptr) { file, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)) }); held != nil {
		return nil, held
	}
	return file, err
}
