package rpm

import (
	"context"
	"encoding/json"
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

// world is a target as it is at a moment: what is served and what the journal
// says. It reads each manifest once.
type world struct {
	trade
	env        *pipeline.Env
	served     *storage.Served
	history    checklist.Pointers
	ids        []string // of the snapshots there, oldest first
	staging    string   // snapshot served there, empty without
	production string
	read       map[string]*snapshot
}

// snapshot is what a manifest says.
type snapshot struct {
	*storage.Manifest
	sum     string // SHA-256 of the manifest's bytes
	lineage ancestry
}

// ancestry is what a snapshot was built from. It is kept in the manifest, as the
// extra fact "lineage"; a twin has that of the snapshot it publishes anew.
type ancestry struct {
	Set  string `json:"set"`            // digest of the staged files and of how they were to be built
	Base string `json:"base,omitempty"` // the snapshot whose packages were taken over, where the policy takes any
	Key  string `json:"key"`            // fingerprint of the key that signed its packages
}

// inputs is what makes another build needless.
func (l ancestry) inputs() string { return digest([]byte(l.Set + " " + l.Base + " " + l.Key)) }

// root is the snapshot that this one publishes the packages of: itself, unless
// it is a twin.
func (s *snapshot) root() string {
	if s.TwinOf != "" {
		return s.TwinOf
	}
	return s.ID
}

// packages are the files that the snapshot's metadata names.
func (s *snapshot) packages() []storage.File {
	var all []storage.File
	for _, f := range s.Files {
		if f.Package() {
			all = append(all, f)
		}
	}
	return all
}

// look reads what is served and what the journal says of it.
func (t trade) look(ctx context.Context, env *pipeline.Env) (*world, error) {
	served, err := env.Served(t.target)
	if err != nil {
		return nil, err
	}
	w := &world{trade: t, env: env, served: served, history: env.History(string(t.target.Name)), read: map[string]*snapshot{}}
	if w.ids, err = served.Snapshots(ctx); err != nil {
		return nil, fmt.Errorf("list the snapshots of %s: %w", t.target.Name, err)
	}
	if w.staging, err = served.Pointer(staging); err == nil {
		w.production, err = served.Pointer(production)
	}
	if err != nil {
		return nil, fmt.Errorf("see what %s serves: %w", t.target.Name, err)
	}
	return w, nil
}

// snapshot reads the manifest of a snapshot.
func (w *world) snapshot(id string) (*snapshot, error) {
	if s, ok := w.read[id]; ok {
		return s, nil
	}
	m, sum, err := w.served.Manifest(id)
	if err != nil {
		return nil, config.Hint(err, "look what happened to "+w.served.Path()+"/snapshots/"+id+"; one that nothing serves may be removed by hand")
	}
	if m.Target != string(w.target.Name) {
		return nil, config.Hint(fmt.Errorf("snapshot %s was built for target %q, not for %s", id, config.Inert(m.Target), w.target.Name),
			"give each target a path of its own, or restore the target's name in release.yaml")
	}
	s := &snapshot{Manifest: m, sum: sum}
	if err := json.Unmarshal(m.Extra["lineage"], &s.lineage); err != nil {
		return nil, fmt.Errorf("snapshot %s: its manifest does not say what it was built from: %w", id, err)
	}
	w.read[id] = s
	return s, nil
}

// snapshots reads all manifests, newest first, that of production before all.
func (w *world) snapshots() ([]*snapshot, error) {
	all := make([]*snapshot, 0, len(w.ids))
	for _, id := range slices.Backward(w.ids) {
		s, err := w.snapshot(id)
		if err != nil {
			return nil, err
		}
		if id == w.production {
			all = slices.Insert(all, 0, s)
		} else {
			all = append(all, s)
		}
	}
	return all, nil
}

// current reads the manifest of what production serves, nil where it serves
// nothing.
func (w *world) current() (*snapshot, error) {
	if w.production == "" {
		return nil, nil
	}
	return w.snapshot(w.production)
}

// kept lists the snapshots whose files must stay served, newest published first:
// what production serves, the last that it served, and what it served less than
// three days ago.
func (w *world) kept() []string {
	now := w.env.Now()
	var all []string
	if w.production != "" {
		all = append(all, w.production)
	}
	for _, p := range slices.Backward(w.history.Published) {
		if slices.Contains(all, p.Snapshot) {
			continue
		}
		if len(all) < w.target.Snapshots || p.Until.IsZero() || now.Sub(p.Until) < grace {
			all = append(all, p.Snapshot)
		}
	}
	return slices.DeleteFunc(all, func(id string) bool { return !slices.Contains(w.ids, id) })
}

// published tells whether production serves or ever served a snapshot.
func (w *world) published(id string) bool {
	return id == w.production || slices.ContainsFunc(w.history.Published, func(p checklist.Published) bool { return p.Snapshot == id })
}

// highest is the highest revision that production ever served, Unix seconds.
func (w *world) highest() int64 {
	highest := w.history.Revision
	if at, err := storage.ParseID(w.production); err == nil {
		highest = max(highest, at.Unix())
	}
	return highest
}
