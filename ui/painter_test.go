package ui

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"gantry/config"
	"gantry/pipeline"
)

// screenSpy counts what is written to a terminal.
type screenSpy struct {
	writes atomic.Int64
	mu     sync.Mutex
	text   strings.Builder
}

func (s *screenSpy) Write(b []byte) (int, error) {
	s.writes.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screenSpy) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A flood of messages is not a flood of frames.
func TestFloodDrawsFewFrames(t *testing.T) {
	const writers, each = 64, 200
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := newModel(ctx, f, Options{Theme: config.Dark, Now: time.Now}, termenv.TrueColor)
	spy := &screenSpy{}
	program := tea.NewProgram(&painter{model: m, out: spy}, tea.WithContext(ctx), tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutRenderer(), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	go func() {
		_, err := program.Run()
		ended <- err
	}()
	var flood sync.WaitGroup
	var seq atomic.Uint64
	for range writers {
		flood.Go(func() {
			for i := range each {
				v := f.View()
				v.Runs[0].Status.Done = int64(i)
				program.Send(newsOnceMsg{seq: 1_000_000 + seq.Add(1), view: v})
			}
		})
	}
	flood.Wait()
	program.Quit()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := spy.writes.Load(); n > writers*each/20 {
		t.Errorf("%d messages drew %d frames", writers*each, n)
	}
}

// loop is the event loop of a program, for a bubble of synctest: it runs
// commands in goroutines and counts the moments at which messages come.
func loop(ctx context.Context, p *painter, span time.Duration) (moments int) {
	msgs := make(chan tea.Msg)
	var work sync.WaitGroup
	var run func(tea.Cmd)
	run = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		work.Go(func() {
			switch msg := cmd().(type) {
			case nil:
			case tea.BatchMsg:
				for _, c := range msg {
					run(c)
				}
			default:
				select {
				case msgs <- msg:
				case <-ctx.Done():
				}
			}
		})
	}
	run(p.Init())
	end := time.After(span)
	var last time.Time
	for {
		select {
		case <-end:
			return moments
		case msg := <-msgs:
			if now := time.Now(); !now.Equal(last) {
				moments, last = moments+1, now
			}
			_, cmd := p.Update(msg)
			run(cmd)
		}
	}
}

func TestWakes(t *testing.T) {
	tests := []struct {
		name     string
		live     bool
		min, max int // moments in a minute
	}{
		{"idle: once a second", false, 50, 62},
		{"while a run lives: ten a second", true, 500, 1300},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f, err := patchDay(dir)
				if err != nil {
					t.Fatal(err)
				}
				f.view.Runs[0].Live = tt.live
				ctx, cancel := context.WithCancel(context.Background())
				p := &painter{model: newModel(ctx, f, Options{Theme: config.Dark, Now: time.Now}, termenv.TrueColor), out: io.Discard}
				n := loop(ctx, p, time.Minute)
				cancel()
				synctest.Wait()
				if n < tt.min || n > tt.max {
					t.Errorf("woke %d times in a minute", n)
				}
			})
		})
	}
}

// Only what changed is sent, and a resize sends everything.
func TestPainterSendsDifferences(t *testing.T) {
	f := newFake(t)
	spy := &screenSpy{}
	m := newModel(t.Context(), f, Options{Theme: config.Dark, Now: func() time.Time { return noon }, Bell: true}, termenv.TrueColor)
	p := &painter{model: m, out: spy}
	sent := func() string {
		before := len(spy.all())
		p.paint()()
		return spy.all()[before:]
	}
	first := sent()
	if !strings.Contains(first, "Release notes are reviewed") || !strings.Contains(first, "\x1b]2;57% Verify staging of core-el9") {
		t.Errorf("first frame: %q", first)
	}
	if again := sent(); again != "" {
		t.Errorf("the same frame was sent again: %q", again)
	}
	m.screen().list().move(1)
	if part := sent(); strings.Contains(part, "gantry  ") || !strings.Contains(part, "Signing key") {
		t.Errorf("more than the difference: %q", part)
	}
	f.set(func(v *pipeline.View) { v.Runs[0].Live = false })
	m.learn(1, f.View())
	if part := sent(); !strings.HasSuffix(part, "\a") {
		t.Errorf("no bell: %q", part)
	}
	p.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	if all := sent(); !strings.Contains(all, "packyard") {
		t.Errorf("after a resize: %q", all)
	}
	p.end()
	if late := p.paint()(); late != nil || strings.HasSuffix(spy.all(), "packyard") {
		t.Error("drawn after the end")
	}
}
