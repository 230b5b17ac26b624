package filelist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// view is the tree as it is now, judged.
type view struct {
	tree
	dirs   []*walk.Dir // of the scopes
	outer  []bool      // whether a scope is in no other one
	counts []counted   // of the scopes
}

// look walks the tree and judges it. Where diff is set, the lists with times are
// compared entry by entry with those that are there.
func (s *step) look(ctx context.Context, r *walk.Root, diff bool, p *pipeline.Progress) (*view, error) {
	o := walk.Options{Skip: s.skip}
	if p != nil {
		o.Count = p.Add
	}
	top, err := walk.Read(ctx, r, o)
	if err != nil {
		return nil, err
	}
	of, dirs, err := s.find(top)
	if err != nil {
		return nil, err
	}
	v := &view{tree: tree{of, map[*scope][]made{}, map[*scope]bool{}}, dirs: dirs, outer: s.outer(), counts: make([]counted, len(dirs))}
	for i, d := range dirs {
		v.made[&s.scopes[i]] = s.scopes[i].will(d)
	}
	for i, d := range dirs {
		if err := errors.Join(sound(d), s.scopes[i].free(d)); err != nil {
			return nil, err
		}
		at, err := r.Below(s.scopes[i].Dir)
		if err != nil {
			return nil, err
		}
		v.counts[i], err = v.count(&s.scopes[i], at, d, diff, s.within(&s.scopes[i]))
		at.Close()
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return v, nil
}

// alarms are about lists that lose more than they may, or of which nobody can tell
// whether they do.
func (s *step) alarms(v *view) []pipeline.Alarm {
	var all []pipeline.Alarm
	for i, c := range v.counts {
		sc := &s.scopes[i]
		if c.unread != "" {
			all = append(all, pipeline.Alarm{Word: "unread-" + sc.word(), Text: config.Inert(c.unread)})
		}
		for _, l := range []struct {
			name    string
			was, is int
		}{{sc.Full, c.wasPlain, c.plain}, {sc.first(), c.wasTimes, c.times}} {
			if l.name != "" && l.was > 0 && (l.was-l.is)*100 > l.was*s.lists.Shrink {
				all = append(all, pipeline.Alarm{Word: "shrinks-" + sc.word(), Text: fmt.Sprintf(
					"%s of scope %s would go from %d entries to %d, and more than %d%% is an alarm", l.name, sc.Dir, l.was, l.is, s.lists.Shrink)})
				break
			}
		}
	}
	return all
}

// fingerprint is a digest of what lies in the scopes: paths, types and sizes.
func (v *view) fingerprint() string {
	sum := sha256.New()
	w := lines{out: sum}
	bare := tree{of: v.of} // lists change with every run
	for i, d := range v.dirs {
		if !v.outer[i] {
			continue
		}
		bare.times(d, func(path []byte, r record) {
			w.buf = append(append(w.buf, path...), '\t')
			w.buf = append(w.buf, r.kind...)
			if r.kind[0] != 'd' {
				w.buf = strconv.AppendInt(append(w.buf, '\t'), r.size, 10)
			}
			w.buf = append(w.buf, '\n')
			w.room()
		})
	}
	w.flush() // a hash takes everything
	return hex.EncodeToString(sum.Sum(nil))
}

// Plan walks the tree and compares it with the lists that are there.
func (s *step) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if err := s.quiet(ctx, env); err != nil {
		return pipeline.Plan{}, err
	}
	if err := s.synced(ctx, env); err != nil {
		return pipeline.Plan{}, err
	}
	r, err := walk.Open(s.root, s.lists.Mount)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer r.Close()
	v, err := s.look(ctx, r, true, nil)
	if err != nil {
		return pipeline.Plan{}, err
	}
	plan := pipeline.Plan{Counts: &pipeline.Counts{}, Alarms: s.alarms(v), Facts: map[string]string{"tree": v.fingerprint()}}
	names := 0
	for i, c := range v.counts {
		sc := &s.scopes[i]
		names += len(sc.Times)
		if sc.Full != "" {
			names++
		}
		if v.outer[i] {
			plan.Counts.Added += c.news.Added
			plan.Counts.Changed += c.news.Changed
			plan.Counts.Removed += c.news.Removed
			plan.Bytes += c.bytes
		}
		plan.Parts = append(plan.Parts, pipeline.Part{Name: sc.Dir, Counts: c.news, Bytes: c.bytes})
		plan.Facts["entries "+sc.Dir] = fmt.Sprintf("%d, of which mirrors can read %d; was %s and %s", c.plain, c.times, orNone(c.wasPlain), orNone(c.wasTimes))
	}
	plan.Title = fmt.Sprintf("Write %d file lists below %s: from then on mirrors sync", names, s.root)
	return plan, nil
}

func orNone(n int) string {
	if n < 0 {
		return "none"
	}
	return strconv.Itoa(n)
}
