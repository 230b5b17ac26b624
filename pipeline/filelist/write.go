package filelist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// plain fills a list of paths, the directory itself first.
func (t *tree) plain(ctx context.Context, d *walk.Dir, entries *int) func(*lines) {
	return func(w *lines) {
		w.buf = append(w.buf, ".\n"...)
		t.paths(d, func(path []byte) {
			w.buf = append(append(append(w.buf, "./"...), path...), '\n')
			*entries++
			w.room()
		})
		if w.err == nil {
			w.err = ctx.Err()
		}
	}
}

// timed fills a list with times.
func (t *tree) timed(ctx context.Context, d *walk.Dir, entries *int) func(*lines) {
	return func(w *lines) {
		w.buf = append(w.buf, "[Version]\n2\n\n[Files]\n"...)
		t.times(d, func(path []byte, r record) {
			w.buf = append(strconv.AppendInt(w.buf, r.time, 10), '\t')
			w.buf = append(append(w.buf, r.kind...), '\t')
			w.buf = append(strconv.AppendInt(w.buf, r.size, 10), '\t')
			w.buf = append(append(w.buf, path...), '\n')
			*entries++
			w.room()
		})
		w.buf = append(w.buf, "\n[Checksums SHA1]\n\n[End]\n"...)
		if w.err == nil {
			w.err = ctx.Err()
		}
	}
}

// write makes all lists of the scope of a wait, those with content read back by
// the rules of their readers. d is its directory.
func (t *tree) write(ctx context.Context, a *aside, d *walk.Dir, p *pipeline.Progress) error {
	s := a.scope
	var writing errgroup.Group
	var full, timed made
	if s.Full != "" {
		f, err := a.create(s.Full)
		if err != nil {
			return err
		}
		writing.Go(func() (err error) {
			entries := 0
			full, err = whole(f, s.Full, t.plain(ctx, d, &entries), count, &entries)
			p.Add(full.size)
			return err
		})
	}
	if len(s.Times) > 0 {
		f, err := a.create(s.first())
		if err != nil {
			return errors.Join(err, writing.Wait())
		}
		writing.Go(func() (err error) {
			entries := 0
			timed, err = whole(f, s.first(), t.timed(ctx, d, &entries), func(r io.Reader) (int, error) { return Parse(r, nil) }, &entries)
			p.Add(timed.size)
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	for i, m := range t.made[s] {
		m.size, m.time = timed.size, timed.time
		switch {
		case m.name == s.Full:
			m.size = full.size
		case m.name == s.first():
		case m.name != s.old():
			if err := a.link(a.temp[s.first()], m.name); err != nil {
				return err
			}
		default:
			e, ok := d.Entry(s.first())
			if old, has := d.Entry(m.name); !ok || has && t.torn[s] {
				e = old // the one before stays the one before
				m.time = max(e.Modified, e.Changed) / 1e9
			} else if err := a.link(s.first(), m.name); err != nil {
				return err
			}
			m.size = e.Size
		}
		t.made[s][i] = m
	}
	return nil
}

// will says which lists of a scope will be there.
func (s *scope) will(d *walk.Dir) []made {
	var all []made
	for _, name := range s.names {
		_, first := d.Entry(s.first())
		_, old := d.Entry(name)
		if name != s.old() || first || old {
			all = append(all, made{name: name})
		}
	}
	return all
}

// whole fills a list that waits, makes it durable, reads it back and closes it.
func whole(f *os.File, name string, fill func(*lines), read func(io.Reader) (int, error), entries *int) (made, error) {
	defer f.Close()
	w := lines{out: f}
	fill(&w)
	if err := errors.Join(w.flush(), f.Sync()); err != nil {
		return made{}, fmt.Errorf("write %s: %w", name, err)
	}
	_, err := f.Seek(0, io.SeekStart)
	n := 0
	if err == nil {
		n, err = read(f)
	}
	if err == nil && n != *entries {
		err = fmt.Errorf("%d entries were written and %d came back", *entries, n)
	}
	if err != nil {
		return made{}, fmt.Errorf("read %s back: %w", name, err)
	}
	st, err := f.Stat()
	if err != nil {
		return made{}, fmt.Errorf("look at %s: %w", name, err)
	}
	storage.Reach("filelist.written")
	return made{name, st.Size(), st.ModTime().Unix()}, nil
}
