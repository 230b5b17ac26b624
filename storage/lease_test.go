package storage_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gantry/storage"
)

var _ storage.Locker = (*storage.Leases)(nil)

func TestLease(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		ctx := t.Context()
		a, b := storage.NewLeases(s, "ann"), storage.NewLeases(s, "bob")
		if a.Locked(ctx, "locks/x") {
			t.Error("nobody has it, and it is held")
		}
		lock := must(a.Lock(ctx, "locks/x"))(t)
		for name, l := range map[string]*storage.Leases{"the holder": a, "another": b} {
			if !l.Locked(ctx, "locks/x") {
				t.Errorf("to %s it is free", name)
			}
			if _, err := l.Lock(ctx, "locks/x"); !errors.Is(err, storage.ErrLocked) {
				t.Errorf("%s locked it too: %v", name, err)
			}
		}
		if _, err := b.Lock(ctx, "locks/x"); err == nil || !strings.Contains(err.Error(), "ann") {
			t.Errorf("it does not say who holds it: %v", err)
		}
		ok(t, lock.Release())
		ok(t, lock.Release())
		if b.Locked(ctx, "locks/x") {
			t.Error("it was released, and is held")
		}
		again := must(b.Lock(ctx, "locks/x"))(t)
		ok(t, again.Release())
		if body := content(t, s, "locks/x"); !strings.Contains(body, `"generation":2`) || !strings.Contains(body, "released") {
			t.Errorf("it was left as %s", body)
		}
	})
}

// content is what an object holds.
func content(t testing.TB, s storage.Store, key string) string {
	t.Helper()
	r, _, err := s.Open(t.Context(), key, storage.Range{})
	ok(t, err)
	defer r.Close()
	return string(must(io.ReadAll(r))(t))
}

func TestLeaseOfMany(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		var won atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := storage.NewLeases(s, "x").Lock(t.Context(), "lock"); err == nil {
					won.Add(1) // and is never released
				} else if !errors.Is(err, storage.ErrLocked) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d hold it", won.Load())
		}
	})
}

// Other machines judge a holder by what they see of its lease.
func TestLeaseOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := newRAM()
		var dead atomic.Bool
		holder := storage.Stranger(storage.NewLeases(&client{ram: m, fault: func(string, string) error {
			if dead.Load() {
				return errServer
			}
			return nil
		}}, "ann"))
		lock := must(holder.Lock(ctx, "x"))(t)
		other := storage.NewLeases(&client{ram: m}, "bob")
		time.Sleep(time.Minute)
		if !other.Locked(ctx, "x") {
			t.Error("a holder that renews it has lost it")
		}
		if _, err := other.Lock(ctx, "x"); !errors.Is(err, storage.ErrLocked) {
			t.Errorf("it was taken from a holder that renews it: %v", err)
		}
		select {
		case <-lock.Lost():
			t.Error("the holder lost it")
		default:
		}

		dead.Store(true)
		before := time.Now()
		taken := must(other.Lock(ctx, "x"))(t)
		if waited := time.Since(before); waited < 14*time.Second || waited > 19*time.Second {
			t.Errorf("it was taken after %s", waited)
		}
		select {
		case <-lock.Lost():
		default:
			t.Error("the holder does not know that it lost it")
		}
		dead.Store(false)
		if err := lock.Release(); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("what was lost was released: %v", err)
		}
		if !storage.NewLeases(&client{ram: m}, "eve").Locked(ctx, "x") {
			t.Error("the old holder took it from the new one")
		}
		ok(t, taken.Release())
	})
}

// Who asks again and again need not wait.
func TestLeaseIsRememberedByThoseWhoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		m := newRAM()
		m.set("x", `{"generation":7,"nonce":"n","owner":"ann","holder":{"pid":1},"state":"held","beat":3}`)
		l := storage.NewLeases(&client{ram: m}, "bob")
		if !l.Locked(ctx, "x") {
			t.Error("at first sight it is free")
		}
		time.Sleep(14 * time.Second)
		if !l.Locked(ctx, "x") {
			t.Error("it is free too early")
		}
		time.Sleep(time.Second)
		if l.Locked(ctx, "x") {
			t.Error("it is held for ever")
		}
		before := time.Now()
		lock := must(l.Lock(ctx, "x"))(t)
		if time.Since(before) > 0 {
			t.Error("what was judged was judged again")
		}
		if !strings.Contains(m.get("x"), `"generation":8`) {
			t.Errorf("the new lease is %s", m.get("x"))
		}
		ok(t, lock.Release())
	})
}

func TestLeaseIsLostWhereItCannotBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		var broken atomic.Bool
		c := &client{ram: m, fault: func(string, string) error {
			if broken.Load() {
				return errServer
			}
			return nil
		}}
		lock := must(storage.NewLeases(c, "ann").Lock(t.Context(), "x"))(t)
		// A moment without an answer is nothing.
		time.Sleep(2900 * time.Millisecond)
		broken.Store(true)
		time.Sleep(time.Second)
		broken.Store(false)
		time.Sleep(time.Minute)
		select {
		case <-lock.Lost():
			t.Fatal("it was lost after a moment")
		default:
		}
		broken.Store(true)
		time.Sleep(10100 * time.Millisecond)
		select {
		case <-lock.Lost():
		default:
			t.Error("it is not lost after a time in which another may take it")
		}
		if lock.Release() == nil {
			t.Error("it was released on a server that is gone")
		}
	})
}

// Who could not tell the server that a lease is over knows it all the same, at
// once when the server is back.
func TestLeaseLeftOnAServerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		var broken atomic.Bool
		l := storage.NewLeases(&client{ram: m, fault: func(string, string) error {
			if broken.Load() {
				return errServer
			}
			return nil
		}}, "ann")
		lock := must(l.Lock(t.Context(), "x"))(t)
		ok(t, lock.Confirm(t.Context()))
		broken.Store(true)
		if lock.Confirm(t.Context()) == nil {
			t.Error("nobody could be asked, and it is held")
		}
		if lock.Release() == nil {
			t.Error("it was released on a server that is gone")
		}
		broken.Store(false)
		if l.Locked(t.Context(), "x") {
			t.Error("it is held by nobody")
		}
		if !storage.NewLeases(&client{ram: m}, "bob").Locked(t.Context(), "x") {
			t.Error("another cannot know that yet")
		}
		lock = must(l.Lock(t.Context(), "x"))(t)
		if !l.Locked(t.Context(), "x") {
			t.Error("it was taken anew, and is free")
		}
		ok(t, lock.Release())
	})
}

// A write may arrive though its answer does not.
func TestLeaseSurvivesLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		n := 0
		c := &client{ram: m, lost: func(op, _ string) error {
			if op == "put" {
				if n++; n%2 == 0 {
					return errServer
				}
			}
			return nil
		}}
		lock := must(storage.NewLeases(c, "ann").Lock(t.Context(), "x"))(t)
		time.Sleep(time.Minute)
		select {
		case <-lock.Lost():
			t.Error("it was lost")
		default:
		}
		_ = lock.Release() // its answer may be lost, too
	})
}

func TestLeaseThatIsNone(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "no JSON": "x", "no nonce": `{"state":"held"}`, "another state": `{"nonce":"n","state":"?"}`,
		"large": strings.Repeat(" ", 1<<20), "unknown keys": `{"nonce":"n","state":"released","x":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			m := newRAM()
			m.set("x", body)
			l := storage.NewLeases(&client{ram: m}, "ann")
			if _, err := l.Lock(t.Context(), "x"); err == nil {
				t.Error("it was taken")
			}
			if !l.Locked(t.Context(), "x") {
				t.Error("what cannot be read is free")
			}
		})
	}
}

// A console that dies leaves a lease that others on the machine need not wait
// for.
func TestLeaseOfADeadProcessOnThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this system does not say when a process started")
	}
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), helperEnv+"=lease "+dir)
	out := must(c.StdoutPipe())(t)
	ok(t, c.Start())
	must(out.Read(make([]byte, 1)))(t) // it holds the lease
	l := storage.NewLeases(openDir(t, dir), "ann")
	if !l.Locked(t.Context(), "x") {
		t.Error("it is free while its holder lives")
	}
	if _, err := l.Lock(t.Context(), "x"); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("it was taken while its holder lives: %v", err)
	}
	ok(t, c.Process.Kill())
	c.Wait()
	if l.Locked(t.Context(), "x") {
		t.Error("it is held though its holder died")
	}
	lock := must(l.Lock(t.Context(), "x"))(t)
	ok(t, lock.Release())
}

// holdLease is what the other process does.
func holdLease(dir string) error {
	d, err := storage.OpenDir(dir)
	if err != nil {
		return err
	}
	if _, err := storage.NewLeases(d, "eve").Lock(context.Background(), "x"); err != nil {
		return err
	}
	os.Stdout.WriteString("+")
	select {}
}

// A server that is slow because much is on its way is not one that is gone.
func TestLeaseOnASlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		c := &client{ram: m, fault: func(op, _ string) error {
			if op == "put" {
				time.Sleep(4 * time.Second)
			}
			return nil
		}}
		lock := must(storage.NewLeases(c, "ann").Lock(t.Context(), "x"))(t)
		time.Sleep(time.Minute)
		select {
		case <-lock.Lost():
			t.Error("it was lost")
		default:
		}
		if _, err := storage.NewLeases(&client{ram: m}, "bob").Lock(t.Context(), "x"); !errors.Is(err, storage.ErrLocked) {
			t.Errorf("another took it: %v", err)
		}
		ok(t, lock.Release())
	})
}
