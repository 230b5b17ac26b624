package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// grace is how long a snapshot that was replaced stays served in any case.
const grace = 3 * 24 * time.Hour

// World is a target as it is at a moment: what is served and what the journal
// says. It reads each manifest once.
type World struct {
	Config     *config.Release
	Target     *config.Target
	Item       checklist.Item // that the step is of
	Env        *pipeline.Env
	Served     storage.Served
	History    checklist.Pointers
	IDs        []string // of the snapshots there, oldest first
	Staging    string   // snapshot served there, empty without
	Production string

	trade Trade
	read  map[string]*Snapshot
}

// Snapshot is what a manifest says.
type Snapshot struct {
	*storage.Manifest
	Sum     string // SHA-256 of the manifest's bytes
	Lineage Lineage
}

// Lineage is what a snapshot was built from. It is kept in the manifest, as the
// extra fact "lineage"; a twin has that of the snapshot it publishes anew.
type Lineage struct {
	Set  string `json:"set"`            // digest of the staged files and of how they were to be built
	Base string `json:"base,omitempty"` // the snapshot whose packages were taken over, where the policy takes any
	Key  string `json:"key"`            // fingerprint of the key that signed its packages
}

// Inputs is what makes another build needless.
func (l Lineage) Inputs() string { return Digest(l.Set, l.Base, l.Key) }

// Root is the snapshot that this one publishes the packages of: itself, unless
// it is a twin.
func (s *Snapshot) Root() string {
	if s.TwinOf != "" {
		return s.TwinOf
	}
	return s.ID
}

// Packages are the files that the snapshot's metadata names.
func (s *Snapshot) Packages() []storage.File {
	var all []storage.File
	for _, f := range s.all() {
		if f.Package() {
			all = append(all, f)
		}
	}
	return all
}

// look reads what is served and what the journal says of it.
func (t step) look(ctx context.Context, env *pipeline.Env) (*World, error) {
	served, err := env.Served(t.target)
	if err != nil {
		return nil, err
	}
	w := &World{
		Config: t.cfg, Target: t.target, Item: t.item, Env: env, Served: served,
		History: env.History(string(t.target.Name)), trade: t.trade, read: map[string]*Snapshot{},
	}
	if w.IDs, err = served.Snapshots(ctx); err != nil {
		return nil, fmt.Errorf("list the snapshots of %s: %w", t.target.Name, err)
	}
	if w.Staging, err = served.Pointer(ctx, Staging); err == nil {
		w.Production, err = served.Pointer(ctx, Production)
	}
	if stray := (*storage.Stray)(nil); errors.As(err, &stray) {
		return nil, &pipeline.RefusedError{Reason: fmt.Sprintf("%s drifted: %s", t.target.Name, config.Inert(stray.Error())), Hint: config.HintOf(err)}
	}
	if err != nil {
		return nil, fmt.Errorf("see what %s serves: %w", t.target.Name, err)
	}
	return w, nil
}

// Snapshot reads the manifest of a snapshot.
func (w *World) Snapshot(ctx context.Context, id string) (*Snapshot, error) {
	if s, ok := w.read[id]; ok {
		return s, nil
	}
	m, sum, err := w.Served.Manifest(ctx, id)
	if err != nil {
		return nil, config.Hint(err, "look what happened to "+w.Served.Path()+"/snapshots/"+id+"; one that nothing serves may be removed by hand")
	}
	if m.Target != string(w.Target.Name) {
		return nil, config.Hint(fmt.Errorf("snapshot %s was built for target %q, not for %s", id, config.Inert(m.Target), w.Target.Name),
			"give each target a path of its own, or restore the target's name in release.yaml")
	}
	s := &Snapshot{Manifest: m, Sum: sum}
	if err := json.Unmarshal(m.Extra["lineage"], &s.Lineage); err != nil {
		return nil, fmt.Errorf("snapshot %s: its manifest does not say what it was built from: %w", id, err)
	}
	w.read[id] = s
	return s, nil
}

// Snapshots reads all manifests, newest first, that of production before all.
func (w *World) Snapshots(ctx context.Context) ([]*Snapshot, error) {
	all := make([]*Snapshot, 0, len(w.IDs))
	for _, id := range slices.Backward(w.IDs) {
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		if id == w.Production {
			all = slices.Insert(all, 0, s)
		} else {
			all = append(all, s)
		}
	}
	return all, nil
}

// Current reads the manifest of what production serves, nil where it serves
// nothing.
func (w *World) Current(ctx context.Context) (*Snapshot, error) {
	if w.Production == "" {
		return nil, nil
	}
	return w.Snapshot(ctx, w.Production)
}

// Kept lists the snapshots whose files must stay served, newest published first:
// what production serves, the last that it served, and what it served less than
// three days ago.
func (w *World) Kept() []string {
	now := w.Env.Now()
	var all []string
	if w.Production != "" {
		all = append(all, w.Production)
	}
	for _, p := range slices.Backward(w.History.Published) {
		if slices.Contains(all, p.Snapshot) {
			continue
		}
		if len(all) < w.Target.Snapshots || p.Until.IsZero() || now.Sub(p.Until) < grace {
			all = append(all, p.Snapshot)
		}
	}
	return slices.DeleteFunc(all, func(id string) bool { return !slices.Contains(w.IDs, id) })
}

// Published tells whether production serves or ever served a snapshot.
func (w *World) Published(id string) bool {
	return id == w.Production || slices.ContainsFunc(w.History.Published, func(p checklist.Published) bool { return p.Snapshot == id })
}

// Highest is the highest revision that production ever served, Unix seconds.
func (w *World) Highest() int64 {
	highest := w.History.Revision
	if at, err := storage.ParseID(w.Production); err == nil {
		highest = max(highest, at.Unix())
	}
	return highest
}
