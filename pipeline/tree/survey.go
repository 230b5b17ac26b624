package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// survey is what a sync would do, seen from the world as it is.
type survey struct {
	*difference
	edition  config.Edition
	from     *folder
	fromPath string // absolute
	staged   string // sync of staging that is copied to production
	root     *folder
	to       *folder // nil where there is none yet
	toPath   string  // below the root
	chain    *chain
	other    *chain  // of staging, where production is the place
	half     *record // sync that this one goes on with, or nil
	id       string
	digest   string
	doubts   []string // what an operator should know of it
	*stock            // what is there, of a production on a store; nil elsewhere
}

func (v *survey) close() {
	for _, f := range []*folder{v.from, v.root, v.to} {
		if f != nil {
			f.close()
		}
	}
}

// rules of the syncs of this tree.
func (s *syncing) rules() rules {
	return rules{skip: s.tree.Exclude, owner: s.tree.Owner, root: us.uid == 0, keep: s.tree.Keep, worked: s.place == staging}
}

// look opens both sides and compares them. It changes nothing.
func (s *syncing) look(ctx context.Context, env *pipeline.Env) (_ *survey, err error) {
	v := &survey{}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if v.edition, err = s.edition(env); err != nil {
		return nil, err
	}
	if s.place == production && (s.tree.Production.Root == "" || v.edition.Stream != config.Stable && v.edition.Stream != "") {
		return nil, config.Hint(fmt.Errorf("a %s never goes to production", v.edition.Stream), "what is tested stays in staging")
	}
	if v.from, v.fromPath, err = s.source(s.from, v.edition); err != nil {
		return nil, err
	}
	if remote(s.cfg, s.area(s.place)) {
		return v, s.ship(ctx, env, v)
	}
	if v.root, err = s.open(s.place); err != nil {
		return nil, err
	}
	area := s.area(s.place)
	if v.toPath, err = s.tree.Directory(area, v.edition); err != nil {
		return nil, err
	}
	root := s.cfg.Path(area.Root)
	if r, err := filepath.EvalSymlinks(root); err == nil {
		root = r
	}
	if overlap(v.fromPath, filepath.Join(root, v.toPath)) {
		return nil, config.Hint(fmt.Errorf("%s and %s are in one another: %s, %s", s.from, s.place, v.fromPath, filepath.Join(root, v.toPath)), "give each a directory of its own")
	}
	if overlap(v.toPath, area.Undo) || overlap(v.fromPath, filepath.Join(root, area.Undo)) {
		return nil, config.Hint(fmt.Errorf("the undo area %s lies in a tree that is synced", area.Undo), "set undo to a directory beside the tree")
	}
	if v.to, err = destination(v.root, s.place, v.toPath); err != nil {
		return nil, err
	}
	if v.chain, err = readChain(v.root, area.Undo, string(s.target.Name), s.place); err != nil {
		return nil, err
	}
	if err := s.pending(v); err != nil {
		return nil, err
	}
	if s.place == production {
		if err := s.released(ctx, v); err != nil {
			return nil, err
		}
	}
	if err := s.compare(ctx, v); err != nil {
		return nil, err
	}
	if v.after == 0 {
		return nil, config.Hint(fmt.Errorf("%s holds no files: %s", s.from, v.fromPath), "an empty tree is never copied; look whether it is mounted, and made")
	}
	if err := s.fits(v); err != nil {
		return nil, err
	}
	if err := s.whole(ctx, v, env.Now()); err != nil {
		return nil, err
	}
	return v, s.name(env, v)
}

// pending finds a sync that did not come to its end, which this one goes on with.
func (s *syncing) pending(v *survey) error {
	if v.half = v.chain.half(); v.half == nil {
		return nil
	}
	switch {
	case v.half.Phase == undoing:
		return &pipeline.RefusedError{
			Reason: fmt.Sprintf("an undo of %s of %s is half done, of sync %s", s.place, s.target.Name, v.half.ID),
			Hint:   "go on with it first: gantry rollback " + string(s.target.Name)}
	case v.half.To != v.toPath:
		return &pipeline.RefusedError{
			Reason: fmt.Sprintf("sync %s of %s to %s is half done, and this one is to %s", v.half.ID, s.place, v.half.To, v.toPath),
			Hint:   "go on with that one first, or take it back: gantry rollback " + string(s.target.Name)}
	}
	return nil
}

// released notes which sync of staging goes to production. What is in the middle
// of a sync does not.
func (s *syncing) released(_ context.Context, v *survey) error {
	root, err := s.open(staging)
	if err != nil {
		return err
	}
	defer root.close()
	c, err := readChain(root, s.tree.Staging.Undo, string(s.target.Name), staging)
	if err != nil {
		return err
	}
	if half := c.half(); half != nil {
		return &pipeline.RefusedError{
			Reason: fmt.Sprintf("sync %s of staging of %s is half done", half.ID, s.target.Name),
			Hint:   "let it come to its end first: gantry run ITEM"}
	}
	v.staged, v.other = c.current, c
	return nil
}

// compare compares the trees.
func (s *syncing) compare(ctx context.Context, v *survey) (err error) {
	r := s.rules()
	if s.place == production && s.tree.Closed != 0 {
		r.closed = uint32(s.tree.Closed)
		shut := v.to == nil
		if !shut {
			top, err := v.to.self()
			if err != nil {
				return err
			}
			shut = top.mode&0o007 == 0
		}
		r.private = s.tree.Private && shut
	}
	v.difference, err = compare(ctx, v.from, v.to, r)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", s.place, s.from, err)
	}
	return nil
}

// fits refuses what could not be done to its end.
func (s *syncing) fits(v *survey) error {
	if o := s.tree.Owner; o.Set && us.uid != 0 && (uint32(o.UID) != us.uid || uint32(o.GID) != us.gid) {
		return config.Hint(fmt.Errorf("only root can give files to %d:%d", o.UID, o.GID), "run this console as that user or as root, or leave owner out")
	}
	// What is replaced is kept by another name, which no other file system can have.
	area := s.area(s.place)
	if v.to != nil {
		tree, err := v.to.self()
		if err != nil {
			return err
		}
		near, err := nearest(v.root, area.Undo)
		if err != nil {
			return err
		}
		if tree.dev != near.dev {
			return config.Hint(fmt.Errorf("the undo area %s is on another file system than %s", area.Undo, v.toPath), "set undo to a directory on the same one")
		}
	}
	return s.roomy(v)
}

// nearest is the deepest directory of a path that is there.
func nearest(root *folder, p string) (*entry, error) {
	for p != "." {
		at, err := root.open(p)
		if err == nil {
			defer at.close()
			return at.self()
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
		p, _ = splitPath(p)
	}
	return root.self()
}

// roomy refuses a sync for which there is no room: what comes, a twentieth more,
// and what the record of it takes.
func (s *syncing) roomy(v *survey) error {
	var fs unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(v.root.fd, &fs) }); err != nil {
		return v.root.fail("look at the file system of", "", err)
	}
	bytes, files := s.needs(v)
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < bytes {
		return config.Hint(fmt.Errorf("%s has room for %d MiB, and %d MiB are needed", s.place, free>>20, bytes>>20+1), "make room: gantry prune "+string(s.target.Name))
	}
	if fs.Files > 0 && int64(fs.Ffree) < files {
		return config.Hint(fmt.Errorf("%s has room for %d files, and %d are needed", s.place, fs.Ffree, files), "make room: gantry prune "+string(s.target.Name))
	}
	return nil
}

func (s *syncing) needs(v *survey) (bytes, files int64) {
	for i := range v.changes {
		if c := &v.changes[i]; c.new != nil && c.leader == "" {
			bytes += (c.new.size + 4095) &^ 4095
			files++
		}
	}
	files += 2*int64(len(v.folders)) + 100
	return bytes + bytes/20 + 300*int64(v.after+len(v.changes)) + 16<<20, files + files/20
}

// name names the sync: the second when the source changed last, or the next one
// that no other sync has. So whoever plans the same finds the same name.
func (s *syncing) name(env *pipeline.Env, v *survey) error {
	sum := sha256.New()
	if err := writeChanges(sum, v.changes, v.folders); err != nil {
		return err
	}
	v.digest = hex.EncodeToString(sum.Sum(nil))
	if v.half != nil {
		v.id = v.half.ID
		return nil
	}
	if r := v.chain.find(v.chain.current); r != nil && r.To == v.toPath && len(v.changes)+len(v.folders) == 0 {
		v.id = r.ID
		return nil
	}
	at := time.Unix(v.newest, 0)
	if at.After(env.Now()) { // by another clock; the day is the same for whoever plans it today
		at = env.Now().UTC().Truncate(24 * time.Hour)
	}
	for _, c := range []*chain{v.chain, v.other} {
		if last := c.last(); !at.After(last) {
			at = last.Add(time.Second)
		}
	}
	if env.History != nil {
		if last := time.Unix(env.History(string(s.target.Name)).Revision, 0); !at.After(last) {
			at = last.Add(time.Second)
		}
	}
	if ahead := at.Sub(env.Now()); ahead > time.Hour {
		return config.Hint(fmt.Errorf("the newest sync is of %s, %s from now", at.UTC().Format(time.DateTime), ahead.Round(time.Minute)), "set the clock right")
	}
	v.id = at.UTC().Format("20060102T150405Z")
	_, err := storage.ParseID(v.id)
	return err
}
