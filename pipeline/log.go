package pipeline

import (
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
	now  func() time.Time
	err  error // the first that lost a line
}

// NewLog writes to file, which it closes in Close.
func NewLog(file *os.File, now func() time.Time) *Log { return &Log{file: file, now: now} }

// Printf writes one line; line breaks within it begin further lines. A line that
// cannot be written is lost and shows in Close; the next is tried again.
func (l *Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := l.now().UTC().Format("15:04:05")
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), "\n") {
		fmt.Fprintf(&b, "%s %s\n", stamp, config.Inert(line))
	}
	if _, err := l.file.WriteString(b.String()); err != nil && l.err == nil {
		l.err = err
	}
}

// Close ends the log; the error tells whether a line was lost.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}
