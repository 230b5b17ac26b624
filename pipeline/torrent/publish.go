package torrent

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/pipeline/image"
)

// publish puts the torrents that are held back where the seed box looks for them.
// Each must be of the images that production serves.
type publish struct{ subject }

// published is the directory, below that of held torrents, of what was published:
// copies of all of it, by which it is known again when it is taken back.
const published = "published"

// record is the name of such a copy.
func record(name string, raw []byte) string {
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%s.%x.torrent", name, sum[:8])
}

// ready is a torrent that is to be published.
type ready struct {
	content
	*torrent
	was *torrent // of the same name where the seed box looks, nil without one
}

// ready are the torrents of what production serves that are not published, or in
// another form.
func (s publish) ready(ctx context.Context, version string) ([]ready, *image.Found, error) {
	all, v, err := s.contents("production", version)
	if err != nil {
		return nil, nil, err
	}
	some, err := s.compare(ctx, all, version)
	if err != nil {
		v.Close()
		return nil, nil, err
	}
	return some, v, nil
}

func (s publish) compare(ctx context.Context, all []content, version string) ([]ready, error) {
	held, err := os.OpenRoot(s.held)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("open the torrents that are held: %w", err), "make them first")
	}
	defer held.Close()
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("open what the seed box watches: %w", err), "it must be there, and mounted where it is a mount")
	}
	defer watched.Close()
	var some []ready
	for _, c := range all {
		t, err := load(held, c.name+".torrent")
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, config.Hint(fmt.Errorf("no torrent of %s is held", c.name), "make the torrents first")
		}
		if err := s.serves(ctx, c, t); err != nil {
			return nil, config.Hint(fmt.Errorf("the torrent %s is not of what production serves: %w", c.name, err), "make the torrents again")
		}
		if !s.wants(t, c, t.info.Pieces, version) {
			return nil, config.Hint(fmt.Errorf("the torrent %s is not as release.yaml has it by now: its trackers, comment, size of pieces or something else", c.name), "make the torrents again")
		}
		was, err := load(watched, c.name+".torrent")
		if err != nil {
			return nil, err
		}
		if was == nil || !bytes.Equal(was.raw, t.raw) {
			some = append(some, ready{c, t, was})
		}
	}
	return some, nil
}

// serves makes sure that a torrent is of an image in production. It was made of an
// image that was verified against the CHECKSUM file which it holds itself; where
// that file is, piece by piece, the one in production, both stand for the same
// image, whose bytes need not be read again.
func (s publish) serves(ctx context.Context, c content, t *torrent) error {
	if !t.of(c) {
		return errors.New("it names other files or sizes")
	}
	st, err := c.open()
	if err != nil {
		return err
	}
	defer st.close()
	size := t.info.PieceLength
	if size > hugestPiece {
		return errors.New("its pieces are larger than any we make")
	}
	buf := make([]byte, size)
	checked := -1
	for n, p := range st.parts {
		if n == st.image || p.info.Size() == 0 {
			continue
		}
		for i := max(int(p.at/size), checked+1); int64(i) <= (p.at+p.info.Size()-1)/size; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, sum, err := st.piece(i, buf)
			if err != nil {
				return err
			}
			if !bytes.Equal(sum[:], t.info.Pieces[i*sha1.Size:(i+1)*sha1.Size]) {
				return fmt.Errorf("%s, or the image beside it, has other bytes", p.info.Name())
			}
			checked = i
		}
	}
	return st.still()
}

// Plan lists the torrents with the hashes that trackers will know them by.
func (s publish) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	some, v, err := s.ready(ctx, env.Version)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer v.Close()
	plan := pipeline.Plan{Title: fmt.Sprintf("publish %d torrents: they are seeded at once", len(some))}
	for _, r := range some {
		change := pipeline.Change{Name: r.name, To: r.id(), Size: r.total}
		plan.Bytes += r.total
		if r.was == nil {
			plan.Added = append(plan.Added, change)
			continue
		}
		change.From = r.was.id()
		plan.Changed = append(plan.Changed, change)
	}
	return plan, nil
}

// Run makes sure that the seed box finds the data of each torrent, then publishes it.
func (s publish) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	some, v, err := s.ready(ctx, env.Version)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if err := errors.Join(os.MkdirAll(s.data, 0o755), os.MkdirAll(s.held+"/"+published, 0o755)); err != nil {
		return nil, err
	}
	kept, err := os.OpenRoot(s.held + "/" + published)
	if err != nil {
		return nil, err
	}
	defer kept.Close()
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	planned := map[string]string{}
	for _, c := range slices.Concat(plan.Added, plan.Changed) {
		planned[c.Name] = c.To
	}
	p.Phase("publish torrents", pipeline.Files, int64(len(some)))
	ev := pipeline.Evidence{}
	for _, r := range some {
		if planned[r.name] != r.id() {
			return ev, &pipeline.ConflictError{Reason: r.name + " is another torrent than the one that was planned", Hint: "plan again"}
		}
		if err := r.lay(s.data); err != nil {
			return ev, err
		}
		if err := aside.Replace(kept, record(r.name, r.raw), r.raw, nil); err != nil { // first: what is published can be taken back
			return ev, err
		}
		if err := halted(ctx, env); err != nil {
			return ev, err
		}
		if err := aside.Replace(watched, r.name+".torrent", r.raw, nil); err != nil {
			return ev, err
		}
		ev[r.name] = r.id()
		p.Logf("%s: published, %s", r.name, r.id())
		p.Add(1)
	}
	ev["published"] = strconv.Itoa(len(some))
	return ev, nil
}

// Look tells whether the seed box finds all that the plan lists.
func (s publish) Look(_ context.Context, _ *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	all := slices.Concat(plan.Added, plan.Changed)
	there, err := s.there(all, func(c pipeline.Change) string { return c.To })
	if err != nil {
		return pipeline.Seen{}, err
	}
	if there < len(all) {
		return pipeline.Seen{Failed: fmt.Sprintf("interrupted when %d of %d torrents were published", there, len(all))}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"published": strconv.Itoa(there)}}, nil
}

// there is how many torrents of a plan are where the seed box looks.
func (s subject) there(all []pipeline.Change, id func(pipeline.Change) string) (n int, err error) {
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return 0, err
	}
	defer watched.Close()
	for _, c := range all {
		if is, err := load(watched, c.Name+".torrent"); err == nil && is != nil && is.id() == id(c) {
			n++
		}
	}
	return n, nil
}

// halted is the reason why a run should stop here.
func halted(ctx context.Context, env *pipeline.Env) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return env.Holds(ctx)
}

// Inputs are the images in production and the torrents that are held.
func (s publish) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	m, err := image.NewMatrix(s.cfg, s.im, s.tree, "production", env.Version)
	if err != nil {
		return "", err
	}
	v := m.Look()
	defer v.Close()
	digest := s.fingerprint(v)
	entries, err := os.ReadDir(s.held)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	h := sha1.New() // tells changes apart, no more
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(h, "%q %d %d\n", e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return fmt.Sprintf("%s %x", digest, h.Sum(nil)), nil
}

// Reverse takes back what was published.
func (s publish) Reverse() pipeline.Step { return withdraw(s) }
