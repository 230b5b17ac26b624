package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

// Journal is the ordered facts: one object per entry, created if-absent, each
// carrying the hash of the one before. Of two who append at one place, one wins
// and the other is told, by ErrConflict, to read and decide again. It may be
// used by several goroutines, and by several processes on one store.
type Journal struct {
	store  Store
	prefix string

	mu     sync.Mutex
	seq    uint64
	hash   string
	unread []Envelope // read on opening, not yet asked for
	damage *Damage
	probed bool
}

// OpenJournal reads the journal whose entries are at prefix/<20 digits>.json
// and checks their chain. Damage that it finds does not keep it from opening:
// the journal is then read-only, up to the last good entry (see Damage).
func OpenJournal(ctx context.Context, s Store, prefix string) (*Journal, error) {
	if err := CheckKey(prefix); err != nil {
		return nil, fmt.Errorf("open a journal: %w", err)
	}
	j := &Journal{store: s, prefix: prefix}
	stored, err := j.list(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.unpack(ctx, stored); err != nil {
		return nil, err
	}
	if err := j.readStored(ctx, stored); err != nil {
		return nil, err
	}
	if err := j.read(ctx); err != nil {
		return nil, err
	}
	if j.damage == nil && stored.last > j.seq {
		j.damage = &Damage{Seq: j.seq + 1, Key: j.key(j.seq + 1), Reason: fmt.Sprintf("the entry is missing although entry %d is there", stored.last), gap: true}
	}
	return j, nil
}

// Head is the number and the hash of the last entry that was read or written;
// 0 and "" before the first.
func (j *Journal) Head() (seq uint64, hash string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq, j.hash
}

// News returns the entries that others appended since the last call, oldest
// first, verified; the first call returns those that were read on opening.
// Entries of this journal's own Append are not among them. Where there are none
// it costs one Stat. An entry that does not fit ends them: it is reported by
// Damage.
func (j *Journal) News(ctx context.Context) ([]Envelope, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if was := j.damage; was == nil || !was.gap {
		j.damage = nil // somebody may have mended it since
		if err := j.read(ctx); err != nil {
			j.damage = was
			return nil, err
		}
	}
	news := j.unread
	j.unread = nil
	return news, nil
}

// read takes the entries after the head, as far as they are there and good.
func (j *Journal) read(ctx context.Context) error {
	for {
		key := j.key(j.seq + 1)
		o, err := j.store.Stat(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		if o.Link {
			j.damage = &Damage{Seq: j.seq + 1, Key: key, Reason: "not a regular file"}
			return nil
		}
		b, err := j.load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !j.take(b, key) {
			return j.last(ctx)
		}
	}
}

// take makes the bytes of the next entry the head, or finds the damage.
func (j *Journal) take(b []byte, key string) bool {
	e, err := follow(b, j.seq, j.hash)
	if err != nil {
		j.damage = &Damage{Seq: j.seq + 1, Key: key, Reason: err.Error(), Torn: errors.Is(err, errTorn)}
		return false
	}
	j.seq, j.hash = e.Seq, e.Hash
	j.unread = append(j.unread, e)
	return true
}

// readStored takes the entries after the head that are known to be there,
// several at a time. It ends where one is missing or not good, and leaves that
// to read.
func (j *Journal) readStored(ctx context.Context, stored inventory) error {
	var keys []string
	for _, o := range stored.entries {
		if seq, _ := j.number(o.Key); seq == j.seq+1+uint64(len(keys)) && !o.Link {
			keys = append(keys, o.Key)
		}
	}
	err := j.loadAll(ctx, keys, func(i int, b []byte, err error) error {
		if err != nil || !j.take(b, keys[i]) {
			j.damage = nil
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return ctx.Err()
	}
	return err
}

// last corrects damage that looks like a torn tail: with an entry behind it, it
// is none.
func (j *Journal) last(ctx context.Context) error {
	if !j.damage.Torn {
		return nil
	}
	stored, err := j.list(ctx)
	if err != nil {
		return err
	}
	if stored.last > j.damage.Seq {
		j.damage.Torn = false
	}
	return nil
}

// follow decodes an entry that must come right after another one.
func follow(b []byte, seq uint64, hash string) (Envelope, error) {
	e, err := DecodeEnvelope(b)
	switch {
	case err != nil:
		return e, err
	case e.Seq != seq+1:
		return e, fmt.Errorf("it says that it is entry %d", e.Seq)
	case e.Prev != hash:
		return e, errors.New("it does not carry the hash of the entry before: one of the two was changed")
	}
	return e, nil
}

// Append writes an entry after the head, durably, and returns it as stored: Seq,
// Prev, Nonce and Hash are set here, Time too where it is zero. ErrConflict says
// that another entry has the place; an error that wraps ErrDamaged, that the
// journal is read-only.
func (j *Journal) Append(ctx context.Context, e Envelope) (Envelope, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.damage != nil {
		return Envelope{}, j.damage.err()
	}
	if err := j.probe(ctx); err != nil {
		return Envelope{}, err
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Seq, e.Prev, e.Time, e.Nonce = j.seq+1, j.hash, e.Time.UTC(), nonce()
	b, err := e.Encode()
	if err != nil {
		return Envelope{}, err
	}
	if e, err = follow(b, j.seq, j.hash); err != nil {
		return Envelope{}, fmt.Errorf("append to the journal: an entry that could not be read back: %w", err)
	}
	Reach("journal.append.begin")
	key := j.key(e.Seq)
	_, err = j.store.Put(ctx, key, bytes.NewReader(b), IfAbsent)
	if errors.Is(err, ErrExists) {
		// A store may have tried twice and met our own first try.
		is, readErr := j.load(ctx, key)
		if readErr == nil && bytes.Equal(is, b) {
			err = nil
		} else {
			return Envelope{}, fmt.Errorf("append entry %d to the journal: %w", e.Seq, ErrConflict)
		}
	}
	if err != nil {
		return Envelope{}, fmt.Errorf("append entry %d to the journal: %w", e.Seq, err)
	}
	j.seq, j.hash = e.Seq, e.Hash
	Reach("journal.append.end")
	return e, nil
}

// probe tries once whether the store keeps the promise that all rests on: of
// two creations if-absent the second fails.
func (j *Journal) probe(ctx context.Context) error {
	if j.probed {
		return nil
	}
	if err := sweep(ctx, j.store, j.prefix); err != nil {
		return fmt.Errorf("tidy the journal's directory: %w", err)
	}
	key := j.prefix + "/probe-" + nonce()
	_, first := j.store.Put(ctx, key, strings.NewReader("probe"), IfAbsent)
	if first != nil {
		hint := config.HintOf(first)
		if hint == "" {
			hint = "put the state on a file system with hard links that you may write to"
		}
		return config.Hint(fmt.Errorf("try the journal's store: create a file if-absent: %w", first), hint)
	}
	_, second := j.store.Put(ctx, key, strings.NewReader("probe"), IfAbsent)
	if err := j.store.Delete(ctx, key); err != nil {
		return fmt.Errorf("try the journal's store: %w", err)
	}
	if !errors.Is(second, ErrExists) {
		return config.Hint(fmt.Errorf("the journal's store lets two writers create one file: %v instead of %w", second, ErrExists),
			"put the state on a local file system, or on a share where link(2) refuses a name that exists")
	}
	j.probed = true
	return nil
}

// load reads one stored entry, no more of it than an entry may have.
func (j *Journal) load(ctx context.Context, key string) ([]byte, error) {
	r, _, err := j.store.Open(ctx, key, Range{})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err != nil {
		return nil, fmt.Errorf("read the journal: %s: %w", key, err)
	}
	return b, nil
}

func (j *Journal) key(seq uint64) string { return fmt.Sprintf("%s/%020d.json", j.prefix, seq) }

// inventory is what lies in the journal's directory.
type inventory struct {
	entries []Object // by number
	last    uint64
	pack    *Object
}

func (j *Journal) list(ctx context.Context) (inventory, error) {
	var all inventory
	for o, err := range j.store.List(ctx, j.prefix+"/") {
		if err != nil {
			return all, fmt.Errorf("list the journal: %w", err)
		}
		if o.Key == j.packKey() {
			all.pack = &o
		}
		if seq, ok := j.number(o.Key); ok {
			all.entries = append(all.entries, o)
			all.last = seq
		}
	}
	return all, nil
}

// number is the sequence number in the key of an entry.
func (j *Journal) number(key string) (uint64, bool) {
	digits, ok := strings.CutSuffix(strings.TrimPrefix(key, j.prefix+"/"), ".json")
	if !ok || len(digits) != 20 {
		return 0, false
	}
	var seq uint64
	if _, err := fmt.Sscanf(digits, "%020d", &seq); err != nil || seq == 0 || j.key(seq) != key {
		return 0, false
	}
	return seq, true
}
