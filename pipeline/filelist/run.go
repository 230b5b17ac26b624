package filelist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// Run walks the tree again, lets every list wait beside the one that it replaces,
// and puts them in place: the plain ones first, the first list with times of each
// scope last, since that tells mirrors to come.
func (s *step) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := s.begin(ctx, env)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := s.synced(ctx, env); err != nil {
		return nil, err
	}
	p.Phase("walk", pipeline.Files, 0)
	v, err := s.look(ctx, w.root, false, p)
	if err != nil {
		return nil, err
	}
	if v.fingerprint() != plan.Facts["tree"] {
		return nil, &pipeline.ConflictError{Reason: "the tree changed since the plan was made", Hint: "wait until nobody writes to it, and plan again"}
	}
	for _, a := range s.alarms(v) {
		if !named(plan, a.Word) {
			return nil, &pipeline.ConflictError{Reason: "the plan does not say so: " + a.Text, Hint: "plan again"}
		}
	}
	p.Phase("write", pipeline.Bytes, 0)
	for i, a := range w.waiting {
		if err := v.write(ctx, a, v.dirs[i], p); err != nil {
			return nil, err
		}
	}
	if err := s.place(ctx, env, w.waiting); err != nil {
		return nil, err
	}
	ev := pipeline.Evidence{}
	for i, c := range v.counts {
		ev["entries "+s.scopes[i].Dir] = strconv.Itoa(c.plain)
		p.Logf("scope %s: %d entries, of which mirrors can read %d", s.scopes[i].Dir, c.plain, c.times)
	}
	return ev, nil
}

func named(plan pipeline.Plan, word string) bool {
	for _, a := range plan.Alarms {
		if a.Word == word {
			return true
		}
	}
	return false
}

// work is what a run has open. Other runs are kept away until it is closed.
type work struct {
	root    *walk.Root
	waiting []*aside // of the scopes
	unlock  func()
	top     *os.Root
}

// begin opens the root and the directories of the scopes, keeps other runs away,
// and removes what one left behind that did not come to its end.
func (s *step) begin(ctx context.Context, env *pipeline.Env) (_ *work, err error) {
	if err := s.quiet(ctx, env); err != nil {
		return nil, err
	}
	w := &work{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.root, err = walk.Open(s.root, s.lists.Mount); err != nil {
		return nil, err
	}
	if w.top, err = w.root.Below("."); err != nil {
		return nil, err
	}
	if w.unlock, err = lock(w.top); err != nil {
		return nil, err
	}
	for i := range s.scopes {
		at, err := w.root.Below(s.scopes[i].Dir)
		if err != nil {
			return nil, err
		}
		a := &aside{at, &s.scopes[i], map[string]string{}}
		w.waiting = append(w.waiting, a)
		if err := a.sweep(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// close removes what still waits and lets go of everything.
func (w *work) close() {
	for _, a := range w.waiting {
		a.drop()
	}
	if w.unlock != nil {
		w.unlock()
	}
	if w.top != nil {
		w.top.Close()
	}
	if w.root != nil {
		w.root.Close()
	}
}

// place puts what waits in place, once it is known which files it is: for who
// looks after a crash.
func (s *step) place(ctx context.Context, env *pipeline.Env, waiting []*aside) error {
	files := map[string]string{}
	for _, a := range waiting {
		for name, temp := range a.temp {
			is, err := identity(a.at, temp)
			if err != nil {
				return err
			}
			files[path.Join(a.scope.Dir, name)] = is
		}
	}
	text, err := json.Marshal(files)
	if err != nil {
		return err
	}
	if err := env.Keep(ctx, string(text)); err != nil {
		return fmt.Errorf("keep which files the lists are: %w", err)
	}
	// Writing took a while: a sync may have begun meanwhile.
	if err := errors.Join(s.quiet(ctx, env), env.Holds(ctx), ctx.Err()); err != nil {
		return err
	}
	storage.Reach("filelist.kept")
	if err := put(waiting, func(sc *scope) []string { return []string{sc.Full, sc.old()} }); err != nil {
		return err
	}
	if err := put(waiting, func(sc *scope) []string { return sc.Times[min(1, len(sc.Times)):] }); err != nil {
		return err
	}
	return put(waiting, func(sc *scope) []string { return []string{sc.first()} })
}

// put puts some lists of every scope in place, those of the innermost scope last,
// which is what mirrors look at, and makes that durable.
func put(waiting []*aside, which func(*scope) []string) error {
	for _, a := range slices.Backward(waiting) {
		placed := false
		for _, name := range which(a.scope) {
			if a.temp[name] == "" {
				continue
			}
			if err := a.put(name); err != nil {
				return err
			}
			placed = true
			storage.Reach("filelist.placed")
		}
		if !placed {
			continue
		}
		if err := a.sync(); err != nil {
			return fmt.Errorf("make the lists of scope %s durable: %w", a.scope.Dir, err)
		}
	}
	return nil
}

// identity tells a file from any other that was ever at its name.
func identity(at *os.Root, name string) (string, error) {
	st, err := at.Lstat(name)
	if err != nil {
		return "", fmt.Errorf("look at a list: %w", err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("look at a list: %s has no inode", config.Inert(name))
	}
	return fmt.Sprintf("%d:%d:%d:%d", sys.Dev, sys.Ino, st.Size(), st.ModTime().UnixNano()), nil
}

// Look tells whether every list that a run let wait is in place.
func (s *step) Look(ctx context.Context, env *pipeline.Env, _ pipeline.Plan) (pipeline.Seen, error) {
	text, err := env.Kept(ctx)
	if err != nil {
		return pipeline.Seen{}, err
	}
	if text == "" {
		return pipeline.Seen{Failed: "it ended before a list was replaced"}, nil
	}
	files := map[string]string{}
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		return pipeline.Seen{}, fmt.Errorf("read which files the lists are: %w", err)
	}
	r, err := walk.Open(s.root, s.lists.Mount)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer r.Close()
	placed := 0
	for file, is := range files {
		dir, name := path.Split(file)
		at, err := r.Below(path.Clean(dir + "."))
		if err != nil {
			return pipeline.Seen{}, err
		}
		now, err := identity(at, name)
		at.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return pipeline.Seen{}, err
		}
		if now == is {
			placed++
		}
	}
	if placed < len(files) {
		return pipeline.Seen{Failed: fmt.Sprintf("%d of %d lists are in place; run it again", placed, len(files))}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"lists in place": strconv.Itoa(placed)}}, nil
}
