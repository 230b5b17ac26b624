package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"gantry/config"
	"gantry/pipeline"
)

const (
	repaint = 200 * time.Millisecond // of the line on a terminal
	remind  = 30 * time.Second       // between lines elsewhere
)

// follow shows progress on stderr until done is closed: one line that is
// written over on a terminal, else a line now and then. With --json it only
// waits.
func (a *app) follow(what string, done <-chan struct{}, status func() pipeline.Status) {
	if a.json {
		<-done
		return
	}
	every := remind
	if a.errTTY {
		every = repaint
	} else {
		fmt.Fprintf(a.err, "%s ...\n", what)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-done:
			if a.errTTY {
				fmt.Fprint(a.err, "\r\x1b[K")
			} else {
				fmt.Fprintf(a.err, "%s: over after %s\n", what, span(time.Since(began)))
			}
			return
		case <-tick.C:
			line := what + "  " + progressLine(status())
			if a.errTTY {
				fmt.Fprint(a.err, "\r"+ansi.Truncate(line, width(os.Stderr)-1, "")+"\x1b[K")
			} else {
				fmt.Fprintln(a.err, line)
			}
		}
	}
}

// progressLine says how far something is: what of it, how fast, how long still,
// and at which file.
func progressLine(s pipeline.Status) string {
	if s.Phase == "" {
		return ""
	}
	amount := func(n int64) string {
		if s.Unit == pipeline.Bytes {
			return size(n)
		}
		return fmt.Sprint(n)
	}
	parts := []string{s.Phase}
	if s.Total > 0 {
		parts = append(parts, fmt.Sprintf("%3d%%", min(100, s.Done*100/s.Total)), amount(s.Done)+"/"+amount(s.Total))
	} else if s.Done > 0 {
		parts = append(parts, amount(s.Done))
	}
	if rate, left := s.Rate(); rate > 0 {
		parts = append(parts, amount(int64(rate))+"/s")
		if left > 0 {
			parts = append(parts, left.Round(time.Second).String()+" left")
		}
	}
	if s.Current != "" {
		parts = append(parts, config.Inert(s.Current))
	}
	return strings.Join(parts, "  ")
}

// during shows progress while do works.
func (a *app) during(what string, p *pipeline.Progress, do func() error) error {
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = do()
	}()
	a.follow(what, done, p.Status)
	return err
}
