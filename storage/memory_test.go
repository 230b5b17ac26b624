package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/storage"
	"gantry/storage/storagetest"
)

// ram is a bucket: a store without files, whose versions are made of the
// content alone, as those of S3 are.
type ram struct {
	mu      sync.Mutex
	objects map[string]kept
}

type kept struct {
	body string
	at   time.Time
}

func newRAM() *ram { return &ram{objects: map[string]kept{}} }

// keys are the keys that start with prefix, sorted.
func (m *ram) keys(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for key := range m.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

func (m *ram) get(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[key].body
}

func (m *ram) set(key, body string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = kept{body, time.Now()}
}

func (m *ram) object(key string) (storage.Object, bool) {
	k, ok := m.objects[key]
	return storage.Object{Key: key, Size: int64(len(k.body)), Modified: k.at, Version: sum(k.body)[:8]}, ok
}

var errServer = errors.New("the server is gone")

// client is a connection to a bucket that can fail: fault is asked before each
// request, lost after it took effect.
type client struct {
	*ram
	fault, lost func(op, key string) error
}

func (c *client) do(ctx context.Context, op, key string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.fault != nil {
		if err := c.fault(op, key); err != nil {
			return err
		}
	}
	c.mu.Lock()
	err := f()
	c.mu.Unlock()
	if c.lost != nil && err == nil {
		err = c.lost(op, key)
	}
	return err
}

func (c *client) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		var all []storage.Object
		err := c.do(ctx, "list", prefix, func() error {
			for _, key := range slices.Sorted(maps.Keys(c.objects)) {
				if strings.HasPrefix(key, prefix) {
					o, _ := c.object(key)
					all = append(all, o)
				}
			}
			return nil
		})
		if err != nil {
			yield(storage.Object{}, err)
			return
		}
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (c *client) Stat(ctx context.Context, key string) (o storage.Object, err error) {
	err = c.do(ctx, "stat", key, func() error {
		var there bool
		if o, there = c.object(key); !there {
			return fmt.Errorf("%s: %w", key, storage.ErrNotFound)
		}
		return nil
	})
	return o, err
}

func (c *client) Open(ctx context.Context, key string, r storage.Range) (body io.ReadCloser, o storage.Object, err error) {
	err = c.do(ctx, "open", key, func() error {
		var there bool
		if o, there = c.object(key); !there {
			return fmt.Errorf("%s: %w", key, storage.ErrNotFound)
		}
		b := c.objects[key].body
		if r != (storage.Range{}) {
			if r.Offset >= int64(len(b)) {
				return errors.New("416 range not satisfiable")
			}
			b = b[r.Offset:]
			if r.Length > 0 {
				b = b[:min(int64(len(b)), r.Length)]
			}
		}
		body = io.NopCloser(strings.NewReader(b))
		return nil
	})
	return body, o, err
}

func (c *client) Put(ctx context.Context, key string, r io.Reader, cond storage.Condition) (o storage.Object, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return o, err
	}
	err = c.do(ctx, "put", key, func() error {
		is, there := c.object(key)
		switch {
		case cond == storage.IfAbsent && there:
			return fmt.Errorf("%s: %w", key, storage.ErrExists)
		case cond != storage.IfAbsent && cond != storage.Always && (!there || cond != storage.IfMatch(is.Version)):
			return fmt.Errorf("%s: %w", key, storage.ErrConflict)
		}
		c.objects[key] = kept{string(bytes.Clone(b)), time.Now()}
		o, _ = c.object(key)
		return nil
	})
	return o, err
}

func (c *client) Delete(ctx context.Context, key string) error {
	return c.do(ctx, "delete", key, func() error {
		if _, there := c.objects[key]; !there {
			return fmt.Errorf("%s: %w", key, storage.ErrNotFound)
		}
		delete(c.objects, key)
		return nil
	})
}

// copier is a client whose server copies, and lists one level.
type copier struct{ *client }

func (c *copier) Copy(ctx context.Context, from, to string) (o storage.Object, err error) {
	err = c.do(ctx, "copy", to, func() error {
		k, there := c.objects[from]
		if !there {
			return fmt.Errorf("%s: %w", from, storage.ErrNotFound)
		}
		c.objects[to] = kept{k.body, time.Now()}
		o, _ = c.object(to)
		return nil
	})
	return o, err
}

func (c *copier) Level(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		last := ""
		for o, err := range c.List(ctx, prefix) {
			if name, _, deep := strings.Cut(strings.TrimPrefix(o.Key, prefix), "/"); deep {
				o = storage.Object{Key: prefix + name + "/"}
			}
			if o.Key == last && err == nil {
				continue
			}
			last = o.Key
			if !yield(o, err) {
				return
			}
		}
	}
}

// stores are those that what works on any store is tested with.
func stores(t *testing.T, f func(t *testing.T, s storage.Store)) {
	for name, open := range map[string]func(t *testing.T) storage.Store{
		"directory":          func(t *testing.T) storage.Store { return openDir(t, t.TempDir()) },
		"bucket":             func(*testing.T) storage.Store { return &client{ram: newRAM()} },
		"bucket that copies": func(*testing.T) storage.Store { return &copier{&client{ram: newRAM()}} },
		"versitygw":          func(t *testing.T) storage.Store { return bucket(t, storagetest.NewS3(t).Endpoint()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}
