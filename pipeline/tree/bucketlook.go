package tree

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// maxKey is the longest key that S3 has, in bytes.
const maxKey = 1024

// stock is what a tree on a store holds, as the records of its syncs know it.
type stock struct {
	here    map[string]*entry // by path in the tree
	foreign map[string]bool   // paths where something else is than syncs left
	gone    []string          // what a sync left and is not there
	links   map[string]string // of links of the source: the file that each leads to
	half    *deeds            // of the sync that goes on, or nil
}

// ship compares staging with a production that is on a store.
func (s *syncing) ship(ctx context.Context, env *pipeline.Env, v *survey) (err error) {
	if s.tree.Closed != 0 {
		return config.Hint(fmt.Errorf("production of %s is on a store, which has no modes: it cannot be closed until a bitflip", s.target.Name), "leave closed, open and private out, or serve production from a directory")
	}
	area := s.tree.Production
	if v.toPath, err = s.tree.Directory(area, v.edition); err != nil {
		return err
	}
	if overlap(v.toPath, area.Undo) {
		return config.Hint(fmt.Errorf("the undo area %s lies in a tree that is synced", area.Undo), "set undo to a prefix beside the tree")
	}
	if v.chain, err = s.chain(ctx, env, production); err != nil {
		return err
	}
	if err := s.pending(v); err != nil {
		return err
	}
	if err := s.released(ctx, v); err != nil {
		return err
	}
	if v.difference, err = compare(ctx, v.from, nil, rules{skip: s.tree.Exclude, keep: s.tree.Keep}); err != nil {
		return fmt.Errorf("look at %s: %w", s.from, err)
	}
	v.stock = &stock{}
	if v.links, err = v.follow(); err != nil {
		return err
	}
	if err := v.named(s); err != nil {
		return err
	}
	if v.half != nil {
		if v.stock.half, err = v.chain.far.deeds(ctx, v.half.ID); err != nil {
			return err
		}
	}
	left := map[string]*entry{}
	if r := v.chain.latest(v.toPath, v.chain.current); r != nil {
		if left, err = v.chain.far.tree(ctx, r.ID); err != nil {
			return err
		}
	}
	if err := v.count(ctx, v.chain.far, s.tree.Exclude, left); err != nil {
		return err
	}
	v.weigh(s.tree.Keep)
	if v.after == 0 {
		return config.Hint(fmt.Errorf("%s holds no files: %s", s.from, v.fromPath), "an empty tree is never copied; look whether it is mounted, and made")
	}
	if err := s.whole(ctx, v, env.Now()); err != nil {
		return err
	}
	return s.name(env, v)
}

// latest is the last whole sync of an edition up to one of that id, or nil: syncs
// of several editions make one chain.
func (c *chain) latest(to, id string) *record {
	for _, r := range slices.Backward(c.records) {
		if r.To == to && r.ID <= id && (r.Phase == complete || r.Phase == undoing) {
			return r
		}
	}
	return nil
}

// follow makes files of the links of the source, since a store has none: each is
// a file of its own, with the bytes that it leads to. It returns where each leads.
func (v *survey) follow() (map[string]string, error) {
	links := map[string]string{}
	for i := range v.source {
		l := &v.source[i]
		for j := range l.here {
			if c := &l.here[j]; c.kind == symlink {
				links[path.Join(l.path, c.name)] = ""
			}
		}
	}
	ends := map[string]*entry{}
	for _, p := range slices.Sorted(maps.Keys(links)) {
		at, e := p, v.lookup(p)
		for n := 0; e != nil && e.kind == symlink && n < 40 && !path.IsAbs(e.text); n++ {
			at = path.Join(path.Dir(at), e.text)
			e = v.lookup(at)
		}
		if e == nil || e.kind != file {
			return nil, config.Hint(fmt.Errorf("%s is a link that leads to no file of %s; a store has no links, so it gets what they lead to", p, v.fromPath),
				"remove it, or exclude it; links to directories and out of the tree cannot be on a store")
		}
		links[p], ends[p] = at, e
	}
	for p, e := range ends {
		*v.lookup(p) = *e
	}
	return links, nil
}

// named refuses paths that can be no keys.
func (v *survey) named(s *syncing) error {
	_, prefix, _ := s.cfg.StoreOf(s.tree.Production.Root)
	room := maxKey - len(path.Join(prefix, v.chain.far.of("20060102T150405Z", asideDir))) - 1
	room = min(room, maxKey-len(path.Join(prefix, v.toPath))-1)
	for _, l := range v.source {
		for _, c := range l.here {
			p := path.Join(l.path, c.name)
			err := storage.CheckKey(p)
			if err == nil && len(p) > room {
				err = fmt.Errorf("a key of it has more than %d bytes", maxKey)
			}
			if err != nil {
				return config.Hint(fmt.Errorf("%s cannot be on a store: %w", config.Inert(p), err), "rename it, or exclude it")
			}
		}
	}
	return nil
}

// count lists what is there and tells what of it syncs left.
func (v *survey) count(ctx context.Context, l *ledger, skip excludes, left map[string]*entry) error {
	k := v.stock
	k.here, k.foreign = map[string]*entry{}, map[string]bool{}
	for o, err := range l.List(ctx, v.toPath+"/") {
		if err != nil {
			return err
		}
		p := strings.TrimPrefix(o.Key, v.toPath+"/")
		if skip.skipsPath(p) {
			continue
		}
		if len(k.here) == maxEntries {
			return fmt.Errorf("more than %d objects", maxEntries)
		}
		if o.Link || storage.CheckKey(o.Key) != nil || plainPath(p) != nil || plainName(o.Version) != nil {
			return config.Hint(fmt.Errorf("%s has an object that can be no file of a tree: %q", production, p), "remove it with another program, or exclude it")
		}
		e := k.known(p, o, left[p])
		if e == nil {
			e = object(o)
			k.foreign[p] = true
		}
		k.here[p] = e
	}
	for p := range left {
		if k.here[p] == nil && !skip.skipsPath(p) && (k.half == nil || k.half.traces[p] == nil) {
			k.gone = append(k.gone, p)
		}
	}
	slices.Sort(k.gone)
	return nil
}

// object is what a listing tells of an object.
func object(o storage.Object) *entry {
	return &entry{kind: file, size: o.Size, mtime: o.Modified.UnixNano(), text: o.Version}
}

// known is what a sync put there, if it is that. What the one that goes on put
// there and could not note any more is told by its size, and is put there again.
func (k *stock) known(p string, o storage.Object, left *entry) *entry {
	if left != nil && left.text == o.Version && left.size == o.Size {
		return left
	}
	if k.half == nil {
		return nil
	}
	for _, e := range k.half.placed[p] {
		if e.text == o.Version && e.size == o.Size {
			return e
		}
	}
	if t := k.half.traces[p]; t != nil {
		for _, e := range t.news {
			if e != nil && e.size == o.Size {
				return object(o)
			}
		}
	}
	return nil
}

// weigh makes the changes of what is wanted and what is there.
func (v *survey) weigh(keep bool) {
	v.changes, v.folders, v.litter, v.after, v.before = nil, nil, nil, 0, len(v.here)
	first := map[[2]uint64]string{} // name of each file that has several
	wanted := map[string]bool{}
	for i := range v.source {
		l := &v.source[i]
		for j := range l.here {
			e := &l.here[j].entry
			if e.kind != file {
				continue
			}
			c := change{dir: l.path, name: l.here[j].name, new: e}
			p := c.path()
			wanted[p], v.after = true, v.after+1
			if c.leader = v.links[p]; c.leader == "" && e.links > 1 {
				id := [2]uint64{e.dev, e.ino}
				if c.leader = first[id]; c.leader == "" {
					first[id] = p
				}
			}
			c.old, c.foreign = v.here[p], v.foreign[p]
			if c.old == nil || c.foreign || c.old.sum == nil || c.old.size != e.size || c.old.mtime != e.mtime {
				v.changes = append(v.changes, c)
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(v.here)) {
		dir, name := splitPath(p)
		if at, ok := strings.CutSuffix(dir, "repodata"); ok && (at == "" || strings.HasSuffix(at, "/")) {
			at = path.Clean(at)
			if v.repos[at] == nil {
				v.repos[at] = &repo{path: at}
			}
			v.repos[at].dst = true
		}
		if !wanted[p] && !keep {
			v.changes = append(v.changes, change{dir: dir, name: name, old: v.here[p], foreign: v.foreign[p]})
		}
	}
	for p := range v.here {
		if at := v.repoOf(path.Dir(p)); at != nil && strings.HasSuffix(p, ".rpm") {
			at.there++
		}
	}
	slices.SortFunc(v.changes, order)
}

// skipsPath tells whether a path is left alone, or one above it.
func (x excludes) skipsPath(p string) bool {
	for at := p; at != "."; {
		dir, name := splitPath(at)
		if x.skips(dir, name) {
			return true
		}
		at = dir
	}
	return false
}

// strange is the alarm of objects that are not as the last sync left them.
func (k *stock) strange() []pipeline.Alarm {
	odd := slices.Sorted(maps.Keys(k.foreign))
	if n := len(odd) + len(k.gone); n > 0 {
		return []pipeline.Alarm{{
			Word: fmt.Sprintf("foreign-%d", n),
			Text: fmt.Sprintf("%s not as a sync left them, which are kept aside and replaced: %s", repository.Count(n, "object is", "objects are"), config.Inert(few(slices.Concat(odd, k.gone))))}}
	}
	return nil
}
