package tree

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
)

// syncing makes one place like another.
type syncing struct {
	step
	from, place string
	seen        *survey // of the latest plan; Run does what it found
}

// compose is where syncs begin; it is no pointer.
const compose = "compose"

// Plan compares both sides and tells what a sync would do, in numbers and with
// the largest changes by name. It reads only.
func (s *syncing) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	v, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	v.close()
	s.seen = v
	from := v.chain.current
	p := pipeline.Plan{
		Move: &checklist.Move{Pointer: s.place, From: from, To: v.id},
		Facts: map[string]string{
			"changes":     v.digest,
			"directories": strconv.Itoa(len(v.folders)),
			"files":       strconv.Itoa(v.after),
			s.from:        config.Inert(v.fromPath),
			s.place:       config.Inert(path.Join(s.cfg.Path(s.area(s.place).Root), v.toPath)),
		},
		Warnings: v.doubts,
	}
	at, err := time.Parse("20060102T150405Z", v.id)
	if err != nil {
		return pipeline.Plan{}, err
	}
	p.Move.Revision = at.Unix()
	if v.edition.Major != 0 {
		p.Facts["edition"] = v.edition.Revision()
	}
	if v.staged != "" {
		p.Facts["staged"] = v.staged
	}
	s.sum(&p, v)
	s.warn(&p, v)
	p.Alarms = s.alarms(v, p.Counts.Removed)
	if v.stock != nil {
		p.Facts[s.place] = config.Inert(s.area(s.place).Root + "/" + v.toPath)
		p.Alarms = append(p.Alarms, v.strange()...)
	}
	s.title(&p, v)
	return p, nil
}

// sum counts, by part too, and names the largest.
func (s *syncing) sum(p *pipeline.Plan, v *survey) {
	parts := map[string]*pipeline.Part{}
	total := v.counts()
	p.Counts = &total
	for i := range v.changes {
		c := &v.changes[i]
		in := partOf(c.dir, c.name)
		part := parts[in]
		if part == nil {
			part = &pipeline.Part{Name: config.Inert(in)}
			parts[in] = part
		}
		of := &part.Counts.Changed
		switch {
		case c.old == nil:
			of = &part.Counts.Added
		case c.new == nil:
			of = &part.Counts.Removed
		}
		*of++
		if c.new != nil && c.leader == "" {
			part.Bytes += c.new.size
			p.Bytes += c.new.size
		}
	}
	nameLargest(p, v.changes)
	for _, in := range slices.Sorted(maps.Keys(parts)) {
		p.Parts = append(p.Parts, *parts[in])
	}
}

// warn says what an operator should know.
func (s *syncing) warn(p *pipeline.Plan, v *survey) {
	add := func(format string, args ...any) { p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...)) }
	if v.half != nil {
		p.Facts["resumes"] = v.half.ID
		add("sync %s of %s is half done, since %s; this goes on with it", v.half.ID, s.place, v.half.Begun.UTC().Format(time.DateTime))
		if v.half.From != v.fromPath {
			add("it was begun from another source, %s", config.Inert(v.half.From))
		}
	}
	if way := inTheWay(v.changes, v.folders); len(way) > 0 {
		paths := slices.Sorted(maps.Keys(way))
		add("something of another kind comes in the place of %s; clients that read it now lose it at once", config.Inert(few(paths)))
	}
	if odd := v.straying(); len(odd) > 0 {
		add("%s lead out of the tree, where mirrors have nothing: %s", repository.Count(len(odd), "link", "links"), config.Inert(few(odd)))
	}
	if s.place == production && v.staged == "" {
		add("staging of %s was not synced by gantry: nobody knows what it was made of", s.target.Name)
	}
	if grace := time.Duration(s.tree.Grace); p.Counts.Removed > 0 && grace > 0 && s.place == production {
		add("removals begin %s after clients have the new metadata", grace)
	}
	for i := range p.Warnings {
		p.Warnings[i] = strings.ToValidUTF8(p.Warnings[i], "?")
	}
}

// straying are the links of the source that lead out of it.
func (d *difference) straying() []string {
	var all []string
	for _, l := range d.source {
		for _, c := range l.here {
			if c.kind != symlink {
				continue
			}
			to := path.Join(l.path, c.text)
			if path.IsAbs(c.text) || to == ".." || strings.HasPrefix(to, "../") {
				all = append(all, path.Join(l.path, c.name))
			}
		}
	}
	return all
}

// title says in a sentence what the sync does.
func (s *syncing) title(p *pipeline.Plan, v *survey) {
	switch {
	case p.Move.From == p.Move.To:
		p.Title = fmt.Sprintf("Leave %s of %s as it is, like %s", s.place, s.target.Name, s.from)
	case s.place == production:
		p.Title = fmt.Sprintf("Sync %s of %s to production: every client and mirror gets it as %s", path.Base(v.fromPath), s.target.Name, v.toPath)
	default:
		p.Title = fmt.Sprintf("Sync the compose of %s to staging, as %s", s.target.Name, v.toPath)
	}
	if s.tree.Keep {
		p.Title += "; nothing is removed"
	}
	p.Title = config.Inert(p.Title)
}
