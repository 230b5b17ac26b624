package ui

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"gantry/config"
)

// firstWrite tells when something was drawn.
type firstWrite struct {
	screenSpy
	drawn chan struct{}
}

func (f *firstWrite) Write(b []byte) (int, error) {
	n, err := f.screenSpy.Write(b)
	if strings.Contains(string(b), "Checklist") {
		select {
		case f.drawn <- struct{}{}:
		default:
		}
	}
	return n, err
}

func TestRunEndsWithItsContext(t *testing.T) {
	keys, typist := io.Pipe()
	defer typist.Close()
	out := &firstWrite{drawn: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, newFake(t), Options{Theme: config.Dark, Input: keys, Output: out, Mouse: true, Now: time.Now})
	}()
	<-out.drawn
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	text := out.all()
	for set, reset := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h", "\x1b[?1002h": "\x1b[?1002l", "\x1b[?2004h": "\x1b[?2004l", "\x1b[?7l": "\x1b[?7h"} {
		if !strings.Contains(text, set) || strings.LastIndex(text, reset) < strings.LastIndex(text, set) {
			t.Errorf("%q is not undone", set)
		}
	}
}

func TestAccessibleEndsWithItsContext(t *testing.T) {
	lines, typist := io.Pipe()
	defer typist.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, newFake(t), Options{Accessible: true, Input: lines, Output: io.Discard}); err != nil {
		t.Error(err)
	}
}
