package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"
	"golang.org/x/term"
)

// Run shows the console until the operator quits or ctx ends, and leaves the
// terminal as it was. It installs no handler of signals that end a program: who
// calls it turns them into the end of ctx. Runs that are live when it returns
// are the engine's to wait for.
func Run(ctx context.Context, c Console, o Options) error {
	o = o.settled()
	if o.Accessible {
		return converse(ctx, c, o)
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel() // what waits for news or the next second ends with the screen
	m := newModel(within, c, o, termenv.NewOutput(o.Output).EnvColorProfile())
	p := &painter{model: m, in: o.Input, out: o.Output, mouse: o.Mouse}
	if w, h, ok := dimensions(o.Output); ok {
		m.w, m.h, p.tty = w, h, true
	}
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()

	program := tea.NewProgram(p, tea.WithContext(within), tea.WithInput(o.Input), tea.WithOutput(io.Discard),
		tea.WithoutRenderer(), tea.WithoutSignalHandler())
	stop := watchSize(o.Output, program)
	defer stop()
	_, err := program.Run()
	if ctx.Err() != nil && errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrProgramPanic) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("show the console: %w", err)
	}
	return nil
}

// raw takes a terminal's keys one by one, where in is one; restore is nil where it
// is none.
func raw(in io.Reader) (restore func(), err error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, nil
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(f.Fd()), before) }, nil // a terminal that is gone needs no restoring
}

// dimensions of a terminal in cells; false where out is none or does not tell.
func dimensions(out io.Writer) (w, h int, ok bool) {
	f, isFile := out.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	w, h, err := term.GetSize(int(f.Fd()))
	return w, h, err == nil && w > 0 && h > 0
}

// watchSize tells the program of every new size until it is stopped.
func watchSize(out io.Writer, program *tea.Program) (stop func()) {
	sizes := make(chan os.Signal, 1)
	signal.Notify(sizes, syscall.SIGWINCH)
	quit := make(chan struct{})
	var owner sync.WaitGroup
	owner.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-sizes:
				if w, h, ok := dimensions(out); ok {
					program.Send(tea.WindowSizeMsg{Width: w, Height: h})
				}
			}
		}
	})
	return func() {
		signal.Stop(sizes)
		close(quit)
		owner.Wait()
	}
}
