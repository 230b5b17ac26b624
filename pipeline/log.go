package pipeline

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

// Log is the log of one run: a file of lines, each with its UTC time, in which
// no control character of foreign text survives.
type Log struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	now  func() time.Time
}

// NewLog writes to file, which it closes in Close.
func NewLog(file *os.File, now func() time.Time) *Log {
	return &Log{file: file, w: bufio.NewWriter(file), now: now}
}

// Printf writes one line; line breaks within it begin further lines.
func (l *Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := l.now().UTC().Format("15:04:05")
	for line := range strings.SplitSeq(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), "\n") {
		fmt.Fprintf(l.w, "%s %s\n", stamp, config.Inert(line))
	}
	l.w.Flush() // a log is for looking at while it grows; what fails here shows in Close
}

// Close ends the log; the error tells whether a line was lost.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.w.Flush()
	if cerr := l.file.Close(); err == nil {
		err = cerr
	}
	return err
}
