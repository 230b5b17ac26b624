package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gantry/config"
	"gantry/storage"
)

// beat is how often a run tells other consoles of its progress and looks
// whether one of them asks it to stop.
const beat = 500 * time.Millisecond

// watch tells other consoles how a run goes and stops it when one asks.
func (e *Engine) watch(ctx context.Context, a *Active) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	over := make(chan struct{})
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer close(over)
	for _, l := range a.locks {
		if l.Lost() == nil {
			continue
		}
		watchers.Go(func() {
			select {
			case <-l.Lost():
				a.cancel(errLost)
			case <-over:
			}
		})
	}
	for {
		e.tell(ctx, a)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := e.news(ctx); err != nil {
			continue // the run's own end will meet it, and say so
		}
		e.mu.Lock()
		asked := false
		for _, r := range e.fold.Runs {
			asked = asked || r.Intent.Run == a.id && r.CancelAsked != ""
		}
		e.mu.Unlock()
		if asked {
			a.cancel(errCancelled)
		}
	}
}

// tell leaves the progress beside the journal. It is not a fact, only a
// courtesy: what cannot be written is left out.
func (e *Engine) tell(ctx context.Context, a *Active) {
	b, err := json.Marshal(a.Progress())
	if err != nil {
		return
	}
	if _, ok := e.state.(*storage.Dir); !ok {
		if a.told.IsZero() || time.Since(a.told) > remoteBeat {
			a.told = time.Now()
			_, _ = e.state.Put(ctx, "runs/"+a.id+"/progress.json", bytes.NewReader(b), storage.Always)
		}
		return
	}
	if a.folder.WriteFile("progress.new", b, 0o640) == nil {
		_ = a.folder.Rename("progress.new", "progress.json")
	}
}

// remoteBeat is how often progress goes to a store.
const remoteBeat = 3 * time.Second

// keepLog puts the log of a run that is over beside the journal, where it is not
// yet.
func (e *Engine) keepLog(ctx context.Context, a *Active) error {
	if _, ok := e.state.(*storage.Dir); ok {
		return nil
	}
	f, err := a.folder.Open("log")
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = e.state.Put(ctx, "runs/"+a.id+"/log", f, storage.Always)
	return err
}

// logMost bounds a log that is fetched, in bytes.
const logMost = 1 << 30

// fetchLog gets the log of a run from the store of the state.
func (e *Engine) fetchLog(ctx context.Context, run, to string) error {
	r, _, err := e.state.Open(ctx, "runs/"+run+"/log", storage.Range{})
	if err != nil {
		return config.Hint(fmt.Errorf("the log of run %s: %w", run, err), "it is kept where the console ran until the run is over")
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("the log of run %s: %w", run, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(to), ".log-*")
	if err != nil {
		return fmt.Errorf("the log of run %s: %w", run, err)
	}
	defer os.Remove(temp.Name()) // gone by then, unless something failed
	n, err := io.Copy(temp, io.LimitReader(r, logMost+1))
	if n > logMost {
		err = fmt.Errorf("it has more than %d bytes", logMost)
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), to)
	}
	if err != nil {
		return fmt.Errorf("the log of run %s: %w", run, err)
	}
	return nil
}

// alive tells whether a console is at a run: it holds the run's lock as long as
// it lives.
func (e *Engine) alive(ctx context.Context, run string) bool {
	return runForm.MatchString(run) && e.locks.Locked(ctx, "runs/"+run+"/lock")
}

// told reads what the console that runs it last told of a run. A record that is
// short or broken shows nothing.
func (e *Engine) told(ctx context.Context, run string) Status {
	f, _, err := e.state.Open(ctx, "runs/"+run+"/progress.json", storage.Range{})
	if err != nil {
		return Status{}
	}
	defer f.Close()
	var s Status
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return Status{}
	}
	s.Phase, s.Current = config.Inert(s.Phase), config.Inert(s.Current)
	s.Unit = Unit(config.Inert(string(s.Unit)))
	return s
}
