package rpm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// Files of a snapshot whose names never change; all others are named by what
// they are.
const (
	signaturePath  = repodata.Path + ".asc"
	mirrorlistPath = "mirrorlist"
)

// assembly is a snapshot in the making.
type assembly struct {
	*world
	build storage.Build
	key   *sign.Key
	p     *pipeline.Progress

	mu    sync.Mutex
	paths map[string]storage.File // what it holds so far
}

// assemble begins a snapshot that is newer than all that production ever served,
// after removing what interrupted builds left. The caller aborts it.
func (w *world) assemble(ctx context.Context, key *sign.Key, p *pipeline.Progress) (*assembly, error) {
	if err := w.Served.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("remove what an interrupted build left: %w", err)
	}
	b, err := w.tree.Begin(ctx, w.Env.Now(), w.Highest())
	if err != nil {
		return nil, err
	}
	return &assembly{world: w, build: b, key: key, p: p, paths: map[string]storage.File{}}, nil
}

// took notes that the snapshot has a file.
func (a *assembly) took(f storage.File) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths[f.Path] = f
}

// linked is a file to be taken over from another snapshot.
type linked struct {
	from string
	file storage.File
}

// link takes files over, several at a time. phase says what for.
func (a *assembly) link(ctx context.Context, phase string, files []linked) error {
	a.p.Phase(phase, pipeline.Files, int64(len(files)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := a.build.Link(ctx, l.from, l.file)
			if err != nil {
				return err
			}
			a.took(f)
			a.p.Add(1)
			return nil
		})
	}
	return g.Wait()
}

// retain takes over what clients may still fetch that hold the metadata of an
// earlier snapshot: its packages and its hash-named metadata. Where the new
// snapshot has another file of that name, it stays, which is logged.
func (a *assembly) retain(ctx context.Context) error {
	var files []linked
	chosen := map[string]bool{}
	for _, id := range a.Kept() {
		s, err := a.Snapshot(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range (trade{}).Lasting(s) {
			if is, ok := a.paths[f.Path]; ok {
				if is.SHA256 != f.SHA256 {
					a.p.Logf("%s is another file in snapshot %s; clients that hold its metadata have to refresh", f.Path, id)
				}
				continue
			}
			if chosen[f.Path] {
				continue
			}
			chosen[f.Path] = true
			f.Retained = true
			files = append(files, linked{id, f})
		}
	}
	return a.link(ctx, "keep served", files)
}

// Lasting is the files of a snapshot that its own metadata leads to under names
// that no other file ever has.
func (trade) Lasting(s *repository.Snapshot) []storage.File {
	var all []storage.File
	for _, f := range s.Files {
		if f.Retained {
			continue
		}
		metadata := strings.HasPrefix(f.Path, "repodata/") && f.Path != repodata.Path && f.Path != signaturePath
		if f.Package() || metadata {
			all = append(all, f)
		}
	}
	return all
}

// create writes a small file.
func (a *assembly) create(ctx context.Context, path string, content []byte) error {
	e, err := a.build.Create(ctx, path)
	if err != nil {
		return err
	}
	defer e.Abort()
	if _, err := e.Write(content); err != nil {
		return err
	}
	f, err := e.Commit()
	if err != nil {
		return err
	}
	a.took(f)
	return nil
}

// finish writes what leads to the packages, the signed repomd.xml and the
// mirrorlist, and makes the snapshot complete and verified.
func (a *assembly) finish(ctx context.Context, md *repodata.Repomd, index json.RawMessage, m storage.Manifest, from repository.Lineage) (*storage.Manifest, error) {
	if err := a.retain(ctx); err != nil {
		return nil, err
	}
	repomd := md.Encode()
	signature, err := a.sign(repomd)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{repodata.Path, repomd},
		{signaturePath, signature},
		{mirrorlistPath, []byte(prefix(a.Target, a.tree, a.build.ID()) + "\n")},
	} {
		if err := a.create(ctx, f.path, f.content); err != nil {
			return nil, err
		}
	}
	lineage, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	m.Target, m.Release = string(a.Target.Name), a.Env.Release
	m.Extra = map[string]json.RawMessage{"lineage": lineage, "repodata": index}
	a.p.Phase("verify", pipeline.Bytes, 0)
	return a.build.Commit(ctx, m, a.p.Add)
}

// prefix is the address of a snapshot as a mirrorlist gives it. Without a
// configured address it is that of the directory.
func prefix(t *config.Target, tree storage.Tree, id string) string {
	base := strings.TrimRight(t.URL, "/")
	if base == "" {
		base = (&url.URL{Scheme: "file", Path: tree.Path()}).String()
	}
	return base + "/snapshots/" + id + "/"
}

// modified is the time of a file as its manifest remembers it.
func modified(f storage.File) time.Time {
	nanos, err := strconv.ParseInt(f.Stat[strings.LastIndexByte(f.Stat, ':')+1:], 10, 64)
	if err != nil {
		return time.Time{} // no stat, no time: the package is described anew, that is all
	}
	return time.Unix(0, nanos)
}

// reader reads for a run: it stops with the run and counts as progress.
type reader struct {
	ctx context.Context
	r   io.Reader
	p   *pipeline.Progress
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(b)
	r.p.Add(int64(n))
	return n, err
}

// Seek goes back for what has to be read twice.
func (r reader) Seek(offset int64, whence int) (int64, error) {
	s, ok := r.r.(io.Seeker)
	if !ok {
		return 0, errors.New("what is staged there can be read only once: sign the header alone (signatures: header)")
	}
	return s.Seek(offset, whence)
}
