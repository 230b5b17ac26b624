package pipeline

import (
	"context"
	"encoding/json"
	"io"
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
	for {
		a.tell()
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
func (a *Active) tell() {
	b, err := json.Marshal(a.Progress())
	if err == nil && a.folder.WriteFile("progress.new", b, 0o640) == nil {
		_ = a.folder.Rename("progress.new", "progress.json")
	}
}

// alive tells whether a console is at a run: it holds the run's lock as long as
// it lives.
func (e *Engine) alive(run string) bool {
	return runForm.MatchString(run) && e.state.Locked("runs/"+run+"/lock")
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
