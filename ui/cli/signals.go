package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"gantry/pipeline"
)

// signals is what the program does about signals while it runs:
//
//   - the first SIGINT or SIGTERM stops what runs at its next safe point;
//   - the second says what is left behind and ends the program;
//   - SIGHUP lets what runs come to its end, and nothing new begin;
//   - SIGPIPE is nothing: who stops reading the output does not stop a release.
type signals struct {
	cancel context.CancelFunc
	err    io.Writer
	got    chan os.Signal
	end    chan struct{} // closed by stop
	ended  chan struct{} // closed by watch

	mu     sync.Mutex
	engine *pipeline.Engine
	screen context.CancelFunc // ends the console, nil without
}

// watchSignals catches signals from now on; cancel ends what is no run. Before
// a screen starts this must have happened, since a screen's own handlers come
// after these.
func watchSignals(cancel context.CancelFunc, err io.Writer) *signals {
	s := &signals{cancel: cancel, err: err, got: make(chan os.Signal, 4), end: make(chan struct{}), ended: make(chan struct{})}
	signal.Notify(s.got, os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) { // nohup asked for it to be ignored
		signal.Notify(s.got, syscall.SIGHUP)
	}
	go s.watch()
	return s
}

func (s *signals) stop() {
	signal.Stop(s.got)
	close(s.end)
	<-s.ended
}

// drains names the engine that SIGHUP brings to rest.
func (s *signals) drains(e *pipeline.Engine) {
	s.mu.Lock()
	s.engine = e
	s.mu.Unlock()
}

// ends names what closes the console when its terminal goes.
func (s *signals) ends(screen context.CancelFunc) {
	s.mu.Lock()
	s.screen = screen
	s.mu.Unlock()
}

func (s *signals) watch() {
	defer close(s.ended)
	interrupts := 0
	for {
		select {
		case <-s.end:
			return
		case sig := <-s.got:
			switch sig {
			case syscall.SIGPIPE:
			case syscall.SIGHUP:
				s.hangUp()
			default:
				interrupts++
				s.interrupt(interrupts)
			}
		}
	}
}

func (s *signals) hangUp() {
	s.mu.Lock()
	engine, screen := s.engine, s.screen
	s.mu.Unlock()
	if engine != nil {
		engine.Drain()
	}
	if screen != nil {
		screen()
	}
	runs := own(engine)
	for _, r := range runs {
		fmt.Fprintf(s.err, "\nthe terminal is gone: run %s goes on to its end, nothing new begins\n", r.Intent.Run)
	}
	if len(runs) == 0 {
		s.cancel()
	}
}

func (s *signals) interrupt(nth int) {
	s.mu.Lock()
	engine, screen := s.engine, s.screen
	s.mu.Unlock()
	runs := own(engine)
	if nth > 1 {
		for _, left := range runs {
			fmt.Fprintf(s.err, "\nleft: %s, run %s, begun and not ended\nhint: gantry resolve %s finds out what it did\n", left.Title, left.Intent.Run, left.Intent.Run)
		}
		os.Exit(exitFailed)
	}
	if len(runs) == 0 {
		s.cancel()
		return
	}
	engine.Drain()
	if screen != nil {
		screen()
	}
	for _, r := range runs {
		fmt.Fprintf(s.err, "\nstopping run %s at its next safe point; once more leaves it as it is\n", r.Intent.Run)
		if err := engine.Cancel(context.Background(), r.Intent.Run); err != nil {
			fmt.Fprintf(s.err, "gantry: cancel run %s: %v\n", r.Intent.Run, err)
		}
	}
}

// own are the runs that this program is at.
func own(e *pipeline.Engine) []pipeline.RunView {
	if e == nil {
		return nil
	}
	var live []pipeline.RunView
	for _, r := range e.View().Runs {
		if r.Own && r.Live {
			live = append(live, r)
		}
	}
	return live
}
