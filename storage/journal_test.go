package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/storage"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func openJournal(t testing.TB, s storage.Store) *storage.Journal {
	t.Helper()
	return must(storage.OpenJournal(t.Context(), s, "journal"))(t)
}

// write appends n entries.
func write(t testing.TB, j *storage.Journal, n int) []storage.Envelope {
	t.Helper()
	var all []storage.Envelope
	for range n {
		seq, _ := j.Head()
		data := must(json.Marshal(map[string]any{"n": seq + 1, "text": "<b> \x1b[31m & \u2028"}))(t)
		all = append(all, must(j.Append(t.Context(), storage.Envelope{Time: noon, Actor: "neil", Host: "tower", Type: "tick", Data: data}))(t))
	}
	return all
}

func entry(dir string, seq int) string { return fmt.Sprintf("%s/journal/%020d.json", dir, seq) }

func TestJournalReadsBack(t *testing.T) {
	d := openDir(t, t.TempDir())
	j := openJournal(t, d)
	wrote := write(t, j, 5)
	if news := must(j.News(t.Context()))(t); len(news) != 0 {
		t.Errorf("its own entries are news: %v", news)
	}
	for _, packed := range []bool{false, true} {
		if packed {
			ok(t, j.Pack(t.Context()))
			wrote = append(wrote, write(t, j, 2)...)
		}
		again := openJournal(t, d)
		ok(t, again.Damage())
		if diff := cmp.Diff(wrote, must(again.News(t.Context()))(t)); diff != "" {
			t.Errorf("packed %v: %s", packed, diff)
		}
		seq, hash := again.Head()
		if last := wrote[len(wrote)-1]; seq != last.Seq || hash != last.Hash {
			t.Errorf("the head is %d %s", seq, hash)
		}
	}
	r := must(j.Verify(t.Context()))(t)
	if r.Entries != 7 || r.Head != wrote[6].Hash || r.Damage != nil {
		t.Errorf("the report is %+v", r)
	}
	if left := keys(t, d, "journal/"); len(left) != 8 {
		t.Errorf("in the journal's directory there are %q", left)
	}
}

func TestJournalNews(t *testing.T) {
	d := openDir(t, t.TempDir())
	a, b := openJournal(t, d), openJournal(t, d)
	wrote := write(t, a, 1)
	if _, err := b.Append(t.Context(), storage.Envelope{Type: "tick"}); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("an append behind the head: %v", err)
	}
	if diff := cmp.Diff(wrote, must(b.News(t.Context()))(t)); diff != "" {
		t.Error(diff)
	}
	theirs := write(t, b, 2)
	if diff := cmp.Diff(theirs, must(a.News(t.Context()))(t)); diff != "" {
		t.Error(diff)
	}
}

// counting counts the calls of a store.
type counting struct {
	storage.Store
	stats, others, lists, puts atomic.Int64
}

func (c *counting) Stat(ctx context.Context, key string) (storage.Object, error) {
	c.stats.Add(1)
	return c.Store.Stat(ctx, key)
}

func (c *counting) Open(ctx context.Context, key string, r storage.Range) (io.ReadCloser, storage.Object, error) {
	c.others.Add(1)
	return c.Store.Open(ctx, key, r)
}

func (c *counting) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	c.lists.Add(1)
	return c.Store.List(ctx, prefix)
}

func (c *counting) Put(ctx context.Context, key string, r io.Reader, cond storage.Condition) (storage.Object, error) {
	c.puts.Add(1)
	return c.Store.Put(ctx, key, r, cond)
}

// Opening costs one listing, the pack, the entries after it once each, and one
// look for a next one; the entries after the pack are read at the same time.
func TestJournalOpenIsCheap(t *testing.T) {
	d := openDir(t, t.TempDir())
	j := openJournal(t, d)
	wrote := write(t, j, 40)
	ok(t, j.Pack(t.Context()))
	wrote = append(wrote, write(t, j, 20)...)
	c := &counting{Store: d}
	again := must(storage.OpenJournal(t.Context(), c, "journal"))(t)
	if c.lists.Load() != 1 || c.others.Load() != 1+20 || c.stats.Load() != 1 || c.puts.Load() != 0 {
		t.Errorf("it cost %d List, %d Open, %d Stat and %d Put", c.lists.Load(), c.others.Load(), c.stats.Load(), c.puts.Load())
	}
	if diff := cmp.Diff(wrote, must(again.News(t.Context()))(t)); diff != "" {
		t.Error(diff)
	}
}

func TestJournalNewsIsCheap(t *testing.T) {
	d := openDir(t, t.TempDir())
	write(t, openJournal(t, d), 3)
	c := &counting{Store: d}
	j := must(storage.OpenJournal(t.Context(), c, "journal"))(t)
	must(j.News(t.Context()))(t)
	c.stats.Store(0)
	c.others.Store(0)
	must(j.News(t.Context()))(t)
	if c.stats.Load() != 1 || c.others.Load() != 0 {
		t.Errorf("no news cost %d Stat and %d Open", c.stats.Load(), c.others.Load())
	}
}

func TestJournalDamage(t *testing.T) {
	edit := func(seq int, f func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b := must(os.ReadFile(entry(dir, seq)))(t)
			ok(t, os.WriteFile(entry(dir, seq), f(b), 0o600))
		}
	}
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	for name, c := range map[string]struct {
		harm  func(t *testing.T, dir string)
		entry uint64 // the bad one
		torn  bool
	}{
		"last one empty":       {edit(5, func([]byte) []byte { return nil }), 5, true},
		"last one cut short":   {edit(5, cut), 5, true},
		"last one without end": {edit(5, func(b []byte) []byte { return b[:len(b)-1] }), 5, true},
		"last one zeros":       {edit(5, func(b []byte) []byte { return make([]byte, len(b)) }), 5, true},
		"last one ends in zeros": {edit(5, func(b []byte) []byte {
			return append(b[:len(b)/2:len(b)/2], make([]byte, 512)...)
		}), 5, true},
		"middle one empty":     {edit(3, func([]byte) []byte { return nil }), 3, false},
		"middle one cut short": {edit(3, cut), 3, false},
		"an actor changed":     {edit(3, func(b []byte) []byte { return bytes.Replace(b, []byte("neil"), []byte("buzz"), 1) }), 4, false},
		"a key twice":          {edit(5, func(b []byte) []byte { return bytes.Replace(b, []byte(`{"n"`), []byte(`{"n":1,"n"`), 1) }), 5, false},
		"a key in other case": {edit(5, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"actor"`), []byte(`"Actor":"eve","actor"`), 1)
		}), 5, false},
		"an unknown key": {edit(5, func(b []byte) []byte { return bytes.Replace(b, []byte(`"actor"`), []byte(`"x":1,"actor"`), 1) }), 5, false},
		"more behind it": {edit(5, func(b []byte) []byte { return append(b, "{}\n"...) }), 5, false},
		"a space more":   {edit(5, func(b []byte) []byte { return bytes.Replace(b, []byte(`":`), []byte(`": `), 1) }), 5, false},
		"too long":       {edit(5, func(b []byte) []byte { return append(b, bytes.Repeat([]byte(" "), 1<<20)...) }), 5, false},
		"missing":        {func(t *testing.T, dir string) { ok(t, os.Remove(entry(dir, 3))) }, 3, false},
		"first missing":  {func(t *testing.T, dir string) { ok(t, os.Remove(entry(dir, 1))) }, 1, false},
		"a link": {func(t *testing.T, dir string) {
			ok(t, os.Rename(entry(dir, 5), dir+"/elsewhere"))
			ok(t, os.Symlink("../elsewhere", entry(dir, 5)))
		}, 5, false},
		"two swapped": {func(t *testing.T, dir string) {
			ok(t, os.Rename(entry(dir, 2), dir+"/x"))
			ok(t, os.Rename(entry(dir, 3), entry(dir, 2)))
			ok(t, os.Rename(dir+"/x", entry(dir, 3)))
		}, 2, false},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s packed %v", name, packed), func(t *testing.T) {
				dir := t.TempDir()
				d := openDir(t, dir)
				first := openJournal(t, d)
				write(t, first, 5)
				if packed {
					ok(t, first.Pack(t.Context()))
					time.Sleep(20 * time.Millisecond) // the harm comes at a later mtime
				}
				c.harm(t, dir)

				j := openJournal(t, d)
				if packed && name == "two swapped" { // same sizes, same times: Verify reads them
					if r := must(j.Verify(t.Context()))(t); r.Entries != 1 || len(r.Damage) == 0 {
						t.Errorf("the report is %+v", r)
					}
					return
				}
				err := j.Damage()
				if !errors.Is(err, storage.ErrDamaged) || config.HintOf(err) == "" || !strings.Contains(err.Error(), fmt.Sprintf("%020d", c.entry)) {
					t.Fatalf("the damage is %v, its hint %q", err, config.HintOf(err))
				}
				if seq, _ := j.Head(); seq != c.entry-1 {
					t.Errorf("the head is %d", seq)
				}
				if news := must(j.News(t.Context()))(t); uint64(len(news)) != c.entry-1 {
					t.Errorf("%d good entries", len(news))
				}
				if _, err := j.Append(t.Context(), storage.Envelope{Type: "tick"}); !errors.Is(err, storage.ErrDamaged) {
					t.Errorf("Append: %v", err)
				}
				if name != "a link" {
					r := must(j.Verify(t.Context()))(t)
					if r.Entries != c.entry-1 || len(r.Damage) == 0 || r.Damage[0].Seq != c.entry || r.Damage[0].Torn != c.torn {
						t.Errorf("the report is %+v", r)
					}
				}
				before := keys(t, d, "journal/")
				e, err := j.Quarantine(t.Context())
				if !c.torn {
					if !errors.Is(err, storage.ErrDamaged) {
						t.Errorf("Quarantine: %v", err)
					}
					if diff := cmp.Diff(before, keys(t, d, "journal/")); diff != "" {
						t.Errorf("Quarantine moved something: %s", diff)
					}
					return
				}
				ok(t, err)
				ok(t, j.Damage())
				e.Actor = "neil"
				must(j.Append(t.Context(), e))(t)
				write(t, j, 1)
				again := openJournal(t, d)
				ok(t, again.Damage())
				if seq, _ := again.Head(); seq != 6 {
					t.Errorf("after it the head is %d", seq)
				}
				var torn int
				for _, k := range keys(t, d, "journal/") {
					if strings.Contains(k, ".json.torn-") {
						torn++
					}
				}
				if torn != 1 {
					t.Errorf("%d entries lie aside", torn)
				}
			})
		}
	}
}

func TestQuarantineOfAWholeJournal(t *testing.T) {
	d := openDir(t, t.TempDir())
	j := openJournal(t, d)
	write(t, j, 2)
	if _, err := j.Quarantine(t.Context()); err == nil {
		t.Error("it moved something")
	}
	if got := len(keys(t, d, "journal/")); got != 2 {
		t.Errorf("%d entries are left", got)
	}
}

func TestQuarantineByTwo(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	write(t, openJournal(t, d), 2)
	ok(t, os.WriteFile(entry(dir, 2), nil, 0o600))
	a, b := openJournal(t, d), openJournal(t, d)
	e := must(a.Quarantine(t.Context()))(t)
	must(a.Append(t.Context(), e))(t)
	if _, err := b.Quarantine(t.Context()); err == nil {
		t.Error("the second moved a good entry aside")
	}
	must(b.News(t.Context()))(t)
	ok(t, b.Damage())
	if seq, _ := b.Head(); seq != 2 {
		t.Errorf("the head is %d", seq)
	}
}

func TestBadPackIsNoHarm(t *testing.T) {
	for name, pack := range map[string]string{"empty": "", "text": "hello\n", "no line": "{", "zeros": strings.Repeat("\x00", 4096), "long": strings.Repeat("x", 2<<20)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := openDir(t, dir)
			wrote := write(t, openJournal(t, d), 3)
			ok(t, os.WriteFile(dir+"/journal/pack.jsonl", []byte(pack), 0o600))
			j := openJournal(t, d)
			ok(t, j.Damage())
			if diff := cmp.Diff(wrote, must(j.News(t.Context()))(t)); diff != "" {
				t.Error(diff)
			}
			if r := must(j.Verify(t.Context()))(t); pack != "" && len(r.Damage) != 1 {
				t.Errorf("the report is %+v", r)
			}
		})
	}
}

// lax is a store that forgets the condition.
type lax struct{ *storage.Dir }

func (l lax) Put(ctx context.Context, key string, r io.Reader, _ storage.Condition) (storage.Object, error) {
	return l.Dir.Put(ctx, key, r, storage.Always)
}

func TestJournalRefusesALaxStore(t *testing.T) {
	d := lax{openDir(t, t.TempDir())}
	j := openJournal(t, d)
	_, err := j.Append(t.Context(), storage.Envelope{Type: "tick"})
	if err == nil || config.HintOf(err) == "" {
		t.Errorf("the error is %v, its hint %q", err, config.HintOf(err))
	}
	if got := keys(t, d, ""); got != nil {
		t.Errorf("it wrote %q", got)
	}
}

// repeating tries each write twice, as a client does that lost the first reply.
type repeating struct{ *storage.Dir }

func (r repeating) Put(ctx context.Context, key string, from io.Reader, c storage.Condition) (storage.Object, error) {
	b, err := io.ReadAll(from)
	if err != nil {
		return storage.Object{}, err
	}
	if _, err := r.Dir.Put(ctx, key, bytes.NewReader(b), c); err != nil || !strings.HasSuffix(key, ".json") {
		return storage.Object{}, err
	}
	return r.Dir.Put(ctx, key, bytes.NewReader(b), c)
}

func TestJournalKnowsItsOwnWrite(t *testing.T) {
	j := openJournal(t, repeating{openDir(t, t.TempDir())})
	if got := len(write(t, j, 3)); got != 3 {
		t.Errorf("%d entries", got)
	}
}

func TestJournalRefusesWhatItCouldNotRead(t *testing.T) {
	j := openJournal(t, openDir(t, t.TempDir()))
	for name, e := range map[string]storage.Envelope{
		"no type":     {},
		"too long":    {Type: "t", Actor: strings.Repeat("x", 1<<20)},
		"a key twice": {Type: "t", Data: json.RawMessage(`{"a":1,"a":2}`)},
		"deep":        {Type: "t", Data: json.RawMessage(strings.Repeat("[", 200) + strings.Repeat("]", 200))},
		"not JSON":    {Type: "t", Data: json.RawMessage(`{`)},
		"not UTF-8":   {Type: "t", Data: json.RawMessage("\"\xff\"")},
	} {
		if _, err := j.Append(t.Context(), e); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
	write(t, j, 1)
}

// appendMany appends entries among others who do the same, as a console does:
// read, decide, append.
func appendMany(dir, count, actor string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	d, err := storage.OpenDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	ctx := context.Background()
	j, err := storage.OpenJournal(ctx, d, "journal")
	if err != nil {
		return err
	}
	for i := 0; i < n; {
		if _, err := j.News(ctx); err != nil {
			return err
		}
		_, err := j.Append(ctx, storage.Envelope{Actor: actor, Type: "tick", Data: json.RawMessage(strconv.Itoa(i))})
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		i++
	}
	return j.Damage()
}

func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	const each, goroutines, processes = 20, 6, 2
	for g := range goroutines {
		all.Go(func() {
			if err := appendMany(dir, strconv.Itoa(each), fmt.Sprint("goroutine-", g)); err != nil {
				t.Error(err)
			}
		})
	}
	for p := range processes {
		all.Go(func() {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), fmt.Sprintf("%s=append %s %d process-%d", helperEnv, dir, each, p))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	j := openJournal(t, openDir(t, dir))
	ok(t, j.Damage())
	next := map[string]int{}
	for _, e := range must(j.News(t.Context()))(t) {
		if got := string(e.Data); got != strconv.Itoa(next[e.Actor]) {
			t.Fatalf("entry %d of %s is its %s, not its %d", e.Seq, e.Actor, got, next[e.Actor])
		}
		next[e.Actor]++
	}
	if len(next) != goroutines+processes {
		t.Errorf("writers: %v", next)
	}
	for actor, n := range next {
		if n != each {
			t.Errorf("%s has %d entries", actor, n)
		}
	}
}

func TestOneJournalManyGoroutines(t *testing.T) {
	d := openDir(t, t.TempDir())
	j := openJournal(t, d)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if _, err := j.Append(context.Background(), storage.Envelope{Type: "tick"}); err != nil {
					t.Error(err)
				}
				if _, err := j.News(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if r := must(j.Verify(t.Context()))(t); r.Entries != 80 || r.Damage != nil {
		t.Errorf("the report is %+v", r)
	}
}

func FuzzDecodeEnvelope(f *testing.F) {
	e := storage.Envelope{Seq: 1, Time: noon, Actor: "neil", Host: "h", Nonce: "n", Type: "tick", Data: json.RawMessage(`{"a":[1,{"b":null}]}`)}
	b, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(append(bytes.Clone(b), b...))
	f.Add(bytes.Replace(b, []byte("actor"), []byte("ACTOR"), 1))
	f.Add(bytes.Replace(b, []byte(`"a":`), []byte(`"a":1,"a":`), 1))
	f.Add([]byte("{\"seq\":1}\n"))
	f.Add(make([]byte, 64))
	f.Add([]byte(strings.Repeat("[", 1000) + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := storage.DecodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q decodes to an entry that encodes to %q (%v)", b, again, err)
		}
		if e.Seq == 0 || e.Nonce == "" || e.Type == "" || len(e.Hash) != 64 {
			t.Errorf("%q decodes to %+v", b, e)
		}
	})
}
