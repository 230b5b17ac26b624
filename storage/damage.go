package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gantry/config"
)

// ErrDamaged says that the journal is read-only since an entry is not what was
// written.
var ErrDamaged = errors.New("the journal is damaged")

// Damage is an entry of the journal that is not what was written.
type Damage struct {
	Seq    uint64 `json:"seq"`    // its number; 0 where it is not one entry
	Key    string `json:"key"`    // where it is
	Reason string `json:"reason"` // what is wrong with it

	// Torn is a last entry that is not whole, as a loss of power leaves it. Only
	// that can be mended (see Journal.Quarantine).
	Torn bool `json:"torn,omitempty"`

	gap bool // missing, with later ones there
}

func (d Damage) err() error {
	err := fmt.Errorf("%w: %s: %s", ErrDamaged, config.Inert(d.Key), config.Inert(d.Reason))
	if d.Torn {
		return config.Hint(err, "look at it with: gantry history --verify; a torn last entry never took effect and can be moved aside")
	}
	return config.Hint(err, "nothing is written to it any more; look with: gantry history --verify, and restore the state from a backup")
}

// Damage is nil while the journal is whole as far as it was read. Otherwise it
// wraps ErrDamaged, says which entry is bad and what to do, and Append refuses.
func (j *Journal) Damage() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.damage == nil {
		return nil
	}
	return j.damage.err()
}

// Quarantine moves a torn last entry aside, to <key>.torn-<nonce>, so that work
// can go on. It returns the entry that tells of it, which the caller completes
// with who did it and appends. Any other damage, and a journal that is whole, it
// leaves alone.
func (j *Journal) Quarantine(ctx context.Context) (Envelope, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.damage == nil {
		return Envelope{}, errors.New("the journal is whole: nothing to move aside")
	}
	if !j.damage.Torn {
		return Envelope{}, j.damage.err()
	}
	locker, ok := j.store.(Locker)
	if !ok {
		return Envelope{}, errors.New("move a torn entry aside: this store has no locks, and needs none: its entries are whole or absent")
	}
	// Who moves entries aside does so under this lock, and a torn entry keeps its
	// place from everybody else. So it is still the torn one when it is removed.
	lock, err := locker.Lock(ctx, j.prefix+"/quarantine.lock")
	if err != nil {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %w", err)
	}
	defer lock.Release()
	key := j.damage.Key
	b, err := j.load(ctx, key)
	if err != nil {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %w", err)
	}
	if _, err := DecodeEnvelope(b); !errors.Is(err, errTorn) {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %s: %w", key, ErrConflict)
	}
	if stored, err := j.list(ctx); err != nil {
		return Envelope{}, err
	} else if stored.last != j.damage.Seq {
		return Envelope{}, fmt.Errorf("move a torn entry aside: entry %d came after it: %w", stored.last, ErrConflict)
	}
	aside := key + ".torn-" + nonce()
	if _, err := j.store.Put(ctx, aside, bytes.NewReader(b), IfAbsent); err != nil {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %w", err)
	}
	if err := j.store.Delete(ctx, key); err != nil {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %w", err)
	}
	data, err := json.Marshal(map[string]any{"entry": j.damage.Seq, "moved_to": aside, "bytes": len(b), "sha256": digestOf(b)})
	if err != nil {
		return Envelope{}, fmt.Errorf("move a torn entry aside: %w", err)
	}
	j.damage = nil
	return Envelope{Type: "journal.quarantined", Data: data}, nil
}

// Report is what a check of the whole journal found.
type Report struct {
	Entries uint64   `json:"entries"` // good ones, from the first
	Head    string   `json:"head"`    // hash of the last good one
	Damage  []Damage `json:"damage,omitempty"`
}

// Verify reads every entry from the store again, without the pack, and checks
// the whole chain; then it compares the pack. Damage is in the report, an error
// is that it could not be looked at.
func (j *Journal) Verify(ctx context.Context) (Report, error) {
	var (
		r      Report
		hash   string
		expect uint64 = 1
		broken bool
		hashes []string
	)
	stored, err := j.list(ctx)
	if err != nil {
		return r, err
	}
	keys := make([]string, len(stored.entries))
	for i, o := range stored.entries {
		keys[i] = o.Key
	}
	err = j.loadAll(ctx, keys, func(i int, b []byte, err error) error {
		seq, _ := j.number(keys[i])
		if seq != expect {
			r.Damage = append(r.Damage, Damage{Seq: expect, Key: j.key(expect), Reason: fmt.Sprintf("missing, the next one is entry %d", seq), gap: true})
			broken = true
		}
		if err != nil {
			return err
		}
		e, err := DecodeEnvelope(b)
		if err == nil && seq == expect {
			e, err = follow(b, seq-1, hash)
		}
		if err != nil {
			r.Damage = append(r.Damage, Damage{Seq: seq, Key: keys[i], Reason: err.Error(), Torn: errors.Is(err, errTorn) && seq == stored.last})
			broken = true
		}
		// What follows a changed entry is judged by the bytes that are there.
		hash, expect = digestOf(b), seq+1
		if !broken {
			r.Entries, r.Head = seq, e.Hash
			hashes = append(hashes, hash)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if stored.pack != nil {
		if d := j.comparePack(ctx, hashes, broken); d != nil {
			r.Damage = append(r.Damage, *d)
		}
	}
	return r, ctx.Err()
}
