package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// attempts bounds how often an entry is decided anew because others wrote first.
const attempts = 1000

// record appends one event. decide sees the state that the event would follow
// and returns its data, or an error that stops it; when somebody else's entry
// comes first, it is read and decide is asked again. So two operators who act
// on one state cannot both be let.
func (e *Engine) record(ctx context.Context, release, kind string, decide func(checklist.State) (any, error)) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	for range attempts {
		if _, err := e.read(ctx); err != nil {
			return err
		}
		if err := e.journal.Damage(); err != nil {
			return &RefusedError{
				Reason: err.Error(),
				Hint:   config.HintOf(err),
			}
		}
		e.mu.Lock()
		state := e.fold.Clone()
		e.mu.Unlock()
		data, err := decide(state)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("write %s: %w", kind, err)
		}
		entry, err := e.journal.Append(ctx, storage.Envelope{
			Time: e.o.Now().UTC(), Actor: e.o.Actor, Host: e.o.Host,
			Release: release, Type: kind, Data: raw,
		})
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write %s to the journal: %w", kind, err)
		}
		e.apply([]storage.Envelope{entry})
		if packs(entry.Seq) {
			e.pack(ctx)
		}
		return nil
	}
	return &ConflictError{
		Reason: "others kept writing to the journal first",
		Hint:   "look at what they do: gantry history",
	}
}

// packs tells whether the journal is to be packed behind an entry: so that not
// more than a quarter of a long one has to be read entry by entry.
func packs(seq uint64) bool {
	return seq >= 128 && seq%(uint64(1)<<bits.Len64(seq)/8) == 0
}

// pack packs the journal in the background; Close waits for it. A pack is a copy:
// without it, opening a console takes longer, and the next one is tried in time.
func (e *Engine) pack(ctx context.Context) {
	if e.enter() != nil {
		return
	}
	go func() {
		defer e.runs.Done()
		ctx, enough := context.WithTimeout(context.WithoutCancel(ctx), aftermath)
		defer enough()
		_ = e.journal.Pack(ctx)
	}()
}

// news reads what others wrote since, and tells how many entries that was.
func (e *Engine) news(ctx context.Context) (int, error) {
	e.writing.Lock()
	defer e.writing.Unlock()
	return e.read(ctx)
}

// read is news for those who hold writing.
func (e *Engine) read(ctx context.Context) (int, error) {
	news, err := e.journal.News(ctx)
	e.apply(news)
	if err != nil {
		return len(news), fmt.Errorf("read the journal: %w", err)
	}
	return len(news), nil
}

func (e *Engine) apply(news []storage.Envelope) {
	if len(news) == 0 {
		return
	}
	e.mu.Lock()
	for _, n := range news {
		ev := checklist.Event{
			Seq: n.Seq, Time: n.Time, Actor: config.Inert(n.Actor), Host: config.Inert(n.Host),
			Release: config.Inert(n.Release), Type: config.Inert(n.Type), Data: n.Data,
		}
		e.events = append(e.events, ev)
		e.fold.Apply(ev)
	}
	e.mu.Unlock()
	e.repaint()
}

// History is the whole journal as read so far, oldest first.
func (e *Engine) History() []checklist.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.events[:len(e.events):len(e.events)]
}

// VerifyHistory reads the whole journal again and checks its chain.
func (e *Engine) VerifyHistory(ctx context.Context) (storage.Report, error) {
	return e.journal.Verify(ctx)
}
