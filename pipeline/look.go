package pipeline

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// lookAge is how long what was seen of targets on other machines is good for, on
// a screen. What acts looks anew.
const lookAge = 10 * time.Second

// listAge is the same for which snapshots there are: whoever adds or removes some
// says so in the journal.
const listAge = time.Minute

// looks is how many targets are looked at at a time.
const looks = 8

// near tells whether to look at every target costs next to nothing.
func (e *Engine) near() bool {
	for _, s := range e.served {
		if !filepath.IsAbs(s.Path()) {
			return false
		}
	}
	return true
}

// look reads what a target serves and compares it with the journal. What open is
// about to say, the run that is at it, is no drift. before is what the look before
// this one found; which snapshots there are is taken from it unless whole is set.
func (e *Engine) look(ctx context.Context, t *config.Target, p *checklist.Pointers, open *checklist.Run, before TargetView, whole bool) TargetView {
	v := TargetView{Name: string(t.Name), Format: string(t.Format), Path: t.Path, URL: t.URL, Places: Places(t)}
	if p != nil {
		v.Journal = *p
	}
	v.behold(ctx, e.served[v.Name], before, whole)
	if v.Drift == "" && v.Unseen == "" {
		v.Drift = drift(v, open)
	}
	for i := range v.Snapshots {
		sv := &v.Snapshots[i]
		sv.Current, sv.Published = sv.ID == v.Production, time.Time{}
		for _, pub := range v.Journal.Published {
			if pub.Snapshot == sv.ID {
				sv.Published = pub.From
			}
		}
	}
	if parted, ok := e.served[v.Name].(storage.Parted); ok && v.Unseen == "" {
		v.Apart = parted.Apart()
		v.Warnings = append(v.Warnings, v.Apart...)
	}
	e.expiry(ctx, t, &v)
	return v
}

// behold reads pointers and snapshots, as much at a time as there is to read: each
// answer may take its time. What cannot be read is told of; of the snapshots,
// what was seen before stays then.
func (v *TargetView) behold(ctx context.Context, s storage.Served, before TargetView, whole bool) {
	var asked sync.WaitGroup
	var errs [3]error
	for i, at := range []*string{&v.Staging, &v.Production} {
		asked.Go(func() { *at, errs[i] = s.Pointer(ctx, []string{"staging", "production"}[i]) })
	}
	v.Snapshots = slices.Clone(before.Snapshots)
	if whole || v.Snapshots == nil {
		asked.Go(func() {
			ids, err := s.Snapshots(ctx)
			if errs[2] = err; err == nil {
				v.Snapshots = heads(ctx, s, ids, before.Snapshots)
			}
		})
	}
	asked.Wait()
	for _, err := range errs {
		if err != nil {
			v.unclear(err)
		}
	}
}

// heads are the snapshots of those ids, the newest first. A snapshot never
// changes: the head of one is read once.
func heads(ctx context.Context, s storage.Served, ids []string, before []SnapshotView) []SnapshotView {
	all := make([]SnapshotView, len(ids))
	var reading errgroup.Group
	reading.SetLimit(looks)
	for i, id := range slices.Backward(ids) {
		sv := &all[len(ids)-1-i]
		if was := slices.IndexFunc(before, func(b SnapshotView) bool { return b.ID == id && b.read }); was >= 0 {
			*sv = before[was]
			continue
		}
		sv.ID = id
		if at, err := time.Parse("20060102T150405Z", id); err == nil {
			sv.Created = at
		}
		reading.Go(func() error {
			m, err := s.Head(ctx, id)
			if err == nil {
				sv.Label, sv.TwinOf, sv.CopyOf, sv.read = config.Inert(m.Label), config.Inert(m.TwinOf), config.Inert(m.CopyOf), true
			}
			return nil // it is read the next time
		})
	}
	reading.Wait() // nothing there returns an error
	return all
}

// lookAll looks at every target, at some of them at a time.
func (e *Engine) lookAll(ctx context.Context, state checklist.State, before map[string]TargetView, whole bool) []TargetView {
	all := make([]TargetView, len(e.o.Config.Targets))
	var looking errgroup.Group
	looking.SetLimit(looks)
	for i := range all {
		t := &e.o.Config.Targets[i]
		name := string(t.Name)
		looking.Go(func() error {
			all[i] = e.look(ctx, t, state.Targets[name], state.OpenRun(name), before[name], whole)
			return nil // what cannot be seen is in the view
		})
	}
	looking.Wait() // nothing there returns an error
	return all
}

// unclear notes why it cannot be told what is served: nobody answers, which says
// nothing of what is there, or there is something that no gantry left so.
func (v *TargetView) unclear(err error) {
	if away(err) {
		v.Unseen = config.Inert(err.Error())
		return
	}
	v.Drift = config.Inert(err.Error())
}

// away tells whether an error says only that nobody could look: the network, or a
// server that did not give what it was asked for.
func away(err error) bool {
	if errors.Is(err, storage.ErrNotFound) {
		return false // somebody looked
	}
	var answer interface{ HTTPStatusCode() int } // of an S3 server
	var network interface{ Temporary() bool }    // net.Error, and what registries answer
	return errors.As(err, &answer) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// drift says in words where what is served differs from what the journal says
// and from what a run that is not over was let to make of it.
func drift(v TargetView, open *checklist.Run) string {
	for _, p := range []struct{ name, is string }{{"production", v.Production}, {"staging", v.Staging}} {
		if open != nil && open.Move != nil && open.Move.Pointer == p.name && open.Move.To == p.is {
			continue
		}
		if says := v.Journal.Current[p.name]; says != p.is {
			return p.name + " serves " + orNothing(p.is) + ", the journal says " + orNothing(says)
		}
	}
	return ""
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}
