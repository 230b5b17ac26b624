package storage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// pack.jsonl holds entries as stored, a line each, so that opening reads one
// file instead of many. It is a copy: the entries stay, and where the two
// differ the entries count.

func (j *Journal) packKey() string { return j.prefix + "/pack.jsonl" }

// Pack writes pack.jsonl anew, with all entries that were read so far.
func (j *Journal) Pack(ctx context.Context) error {
	seq, head := j.Head()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := j.copyEntries(ctx, w, seq, head)
		w.CloseWithError(err)
		done <- err
	}()
	_, err := j.store.Put(ctx, j.packKey(), r, Always)
	r.CloseWithError(err)
	if copyErr := <-done; err == nil {
		err = copyErr
	}
	if err != nil {
		return fmt.Errorf("pack the journal: %w", err)
	}
	return nil
}

// copyEntries writes the stored entries up to that head.
func (j *Journal) copyEntries(ctx context.Context, w io.Writer, seq uint64, head string) error {
	hash := ""
	keys := make([]string, seq)
	for i := range keys {
		keys[i] = j.key(uint64(i) + 1)
	}
	err := j.loadAll(ctx, keys, func(i int, b []byte, err error) error {
		if err != nil {
			return err
		}
		e, err := follow(b, uint64(i), hash)
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrDamaged, i+1, err)
		}
		hash = e.Hash
		_, err = w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if hash != head {
		return fmt.Errorf("%w: entry %d is not the one that was read", ErrDamaged, seq)
	}
	return nil
}

// unpack reads pack.jsonl where there is one. An entry that is missing, has
// another size than its line or was written after the pack is not taken from
// there: reading goes on from it, entry by entry. So does a pack that is no
// chain. What hides its change from size and mtime is found by Verify.
func (j *Journal) unpack(ctx context.Context, stored inventory) error {
	if stored.pack == nil {
		return nil
	}
	err := j.packed(ctx, func(b []byte) error {
		e, err := follow(b, j.seq, j.hash)
		if err != nil {
			return errStop
		}
		if j.seq >= uint64(len(stored.entries)) {
			return errStop
		}
		o := stored.entries[j.seq]
		if o.Key != j.key(e.Seq) || o.Size != int64(len(b)) || o.Modified.After(stored.pack.Modified) {
			return errStop
		}
		j.seq, j.hash = e.Seq, e.Hash
		j.unread = append(j.unread, e)
		return nil
	})
	if errors.Is(err, errStop) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

var errStop = errors.New("stop")

// packed calls f with each line of the pack, line feed included.
func (j *Journal) packed(ctx context.Context, f func(line []byte) error) error {
	r, _, err := j.store.Open(ctx, j.packKey(), Range{})
	if err != nil {
		return fmt.Errorf("read the pack of the journal: %w", err)
	}
	defer r.Close()
	lines := bufio.NewReaderSize(reader{ctx, r}, maxEntry)
	for {
		b, err := lines.ReadSlice('\n')
		if len(b) == 0 && err == io.EOF {
			return nil
		}
		if err == io.EOF || errors.Is(err, bufio.ErrBufferFull) {
			return errStop // not a line of ours
		}
		if err != nil {
			return fmt.Errorf("read the pack of the journal: %w", err)
		}
		if err := f(b); err != nil {
			return err
		}
	}
}

// comparePack looks for a line of the pack that is not the entry of its number.
// Where the chain is broken, the pack may reach beyond the good entries.
func (j *Journal) comparePack(ctx context.Context, hashes []string, broken bool) *Damage {
	n := 0
	err := j.packed(ctx, func(b []byte) error {
		if n >= len(hashes) {
			if broken {
				return nil
			}
			return fmt.Errorf("it has more lines than there are entries")
		}
		if digestOf(b) != hashes[n] {
			return fmt.Errorf("line %d is not entry %d", n+1, n+1)
		}
		n++
		return nil
	})
	if err == nil {
		return nil
	}
	return &Damage{Key: j.packKey(), Reason: err.Error()}
}
