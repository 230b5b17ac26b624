package tree

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"

	"gantry/storage"
)

// An object of a tree is an entry of kind file: with the size, time and SHA-256 of
// the source it was made of, and its version as text. One of which only the listing
// is known has the store's time and no SHA-256; one that is to come, no version.
func (e *entry) appendObject(b []byte) []byte {
	if e == nil {
		return append(b, '-')
	}
	b = append(strconv.AppendInt(b, e.size, 10), ':')
	b = append(strconv.AppendInt(b, e.mtime, 10), ':')
	if e.sum != nil {
		b = hex.AppendEncode(b, e.sum[:])
	}
	return append(append(b, ':'), e.text...)
}

// parseObject reads what appendObject wrote.
func parseObject(text []byte) (*entry, error) {
	if string(text) == "-" {
		return nil, nil
	}
	parts := strings.SplitN(string(text), ":", 4)
	if len(parts) != 4 || plainName(parts[3]) != nil {
		return nil, errEntry
	}
	e := &entry{kind: file, text: parts[3]}
	var bad [2]error
	e.size, bad[0] = strconv.ParseInt(parts[0], 10, 64)
	e.mtime, bad[1] = strconv.ParseInt(parts[1], 10, 64)
	if parts[2] != "" {
		if e.sum = digest(parts[2]); e.sum == nil {
			return nil, errEntry
		}
	}
	if bad != [2]error{} || e.size < 0 {
		return nil, errEntry
	}
	return e, nil
}

// deeds is what a sync on a store noted: what it was about to do, and what it put
// there by version.
type deeds struct {
	traces
	placed map[string][]*entry
	parts  int // objects that it noted in
}

// parseDeed reads a line of notes: a path and one or two objects.
func parseDeed(line []byte, n int) (p string, objects []*entry, err error) {
	parts := bytes.Split(line, []byte("\t"))
	if len(parts) != n+1 {
		return "", nil, errEntry
	}
	p = string(parts[0])
	if err := plainPath(p); err != nil {
		return "", nil, err
	}
	for _, text := range parts[1:] {
		e, err := parseObject(text)
		if err != nil {
			return "", nil, err
		}
		objects = append(objects, e)
	}
	return p, objects, nil
}

// deeds reads the notes of a sync.
func (l *ledger) deeds(ctx context.Context, id string) (*deeds, error) {
	d := &deeds{traces: traces{}, placed: map[string][]*entry{}}
	add := map[string]func(p string, e []*entry){
		"changes": func(p string, e []*entry) {
			if t := d.traces[p]; t != nil {
				t.news = append(t.news, e[1])
			} else {
				d.traces[p] = &trace{e[0], e[1:]}
			}
		},
		"placed": func(p string, e []*entry) { d.placed[p] = append(d.placed[p], e[0]) },
	}
	for what, n := range map[string]int{"changes": 2, "placed": 1} {
		for o, err := range l.List(ctx, l.of(id, what)+"/") {
			if err != nil {
				return nil, fmt.Errorf("look at the notes of sync %s: %w", id, err)
			}
			d.parts++
			err = l.lines(ctx, o.Key, func(line []byte) error {
				p, e, err := parseDeed(line, n)
				if err == nil {
					add[what](p, e)
				}
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("read the notes of sync %s: %s: %w", id, o.Key, err)
			}
		}
	}
	return d, nil
}

// tree reads what a sync left; nothing for none.
func (l *ledger) tree(ctx context.Context, id string) (map[string]*entry, error) {
	all := map[string]*entry{}
	if id == "" {
		return all, nil
	}
	err := l.lines(ctx, l.of(id, listingFile), func(line []byte) error {
		p, e, err := parseDeed(line, 1)
		if err == nil && e[0] == nil {
			err = errEntry
		}
		if err == nil {
			all[p] = e[0]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what sync %s left: %w", id, err)
	}
	return all, nil
}

// lines reads an object line by line.
func (l *ledger) lines(ctx context.Context, key string, yield func(line []byte) error) error {
	r, _, err := l.Open(ctx, key, storage.Range{})
	if err != nil {
		return err
	}
	defer r.Close()
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 64<<10)
	for n := 0; s.Scan(); n++ {
		if n > maxEntries {
			return fmt.Errorf("more than %d lines", maxEntries)
		}
		if err := yield(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}

// list writes down what the whole tree holds.
func (l *ledger) list(ctx context.Context, id string, all map[string]*entry) error {
	return l.note(ctx, l.of(id, listingFile), storage.Always, func(w *bufio.Writer) {
		var line []byte
		for _, p := range slices.Sorted(maps.Keys(all)) {
			line = append(append(line[:0], p...), '\t')
			w.Write(append(all[p].appendObject(line), '\n'))
		}
	})
}

// changes writes down what a sync is about to do.
func (l *ledger) changes(ctx context.Context, id string, n int, list []change) error {
	return l.note(ctx, fmt.Sprintf("%s/%08d", l.of(id, changesFile), n), storage.IfAbsent, func(w *bufio.Writer) {
		var line []byte
		for i := range list {
			c := &list[i]
			to := c.new
			if to != nil { // what it is made of, which has no version yet
				to = &entry{kind: file, size: to.size, mtime: to.mtime, sum: to.sum}
			}
			line = append(append(line[:0], c.path()...), '\t')
			line = append(c.old.appendObject(line), '\t')
			w.Write(append(to.appendObject(line), '\n'))
		}
	})
}

// note writes an object as it is made.
func (l *ledger) note(ctx context.Context, key string, when storage.Condition, make func(w *bufio.Writer)) error {
	r, w := io.Pipe()
	var writer stdsync.WaitGroup
	writer.Go(func() {
		b := bufio.NewWriterSize(w, 64<<10)
		make(b) // what goes wrong there stays in the writer
		w.CloseWithError(b.Flush())
	})
	_, err := l.Put(ctx, key, r, when)
	r.Close()
	writer.Wait()
	return claimed(err)
}

// notes gathers what a sync put there, and writes it down a batch at a time: what
// is lost of it with a console that dies is done again.
type notes struct {
	l    *ledger
	id   string
	mu   stdsync.Mutex
	part int
	all  map[string]*entry // all of this run
	due  []string          // of it, what is not written down yet
}

const noteBatch = 64

// add notes an object, which may be the one that a batch waited for.
func (n *notes) add(ctx context.Context, p string, e *entry) error {
	n.mu.Lock()
	n.all[p] = e
	n.due = append(n.due, p)
	full := len(n.due) >= noteBatch
	n.mu.Unlock()
	if full {
		return n.flush(ctx)
	}
	return nil
}

// placed is what this run put at a path, or nil.
func (n *notes) placed(p string) *entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[p]
}

func (n *notes) flush(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.due) == 0 {
		return nil
	}
	err := n.l.note(ctx, fmt.Sprintf("%s/%08d", n.l.of(n.id, "placed"), n.part), storage.IfAbsent, func(w *bufio.Writer) {
		var line []byte
		for _, p := range n.due {
			line = append(append(line[:0], p...), '\t')
			w.Write(append(n.all[p].appendObject(line), '\n'))
		}
	})
	if err == nil {
		n.part, n.due = n.part+1, nil
	}
	return err
}
