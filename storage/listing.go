package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gantry/config"
)

// List pairs the files of a place with their sidecars, by name. What does not
// pair, has an impossible name or is no file is in the listing too, with its
// verdict.
func (s *Staging) List(ctx context.Context, p Place) ([]Artifact, error) {
	if s.listed == nil {
		return s.list(ctx, p)
	}
	l := s.listed(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		var err error
		if l.all, err = s.list(ctx, p); err != nil {
			return nil, err
		}
		l.done = true
	}
	return slices.Clone(l.all), nil
}

func (s *Staging) list(ctx context.Context, p Place) ([]Artifact, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	sidecars := map[string]Object{}
	var files []Object
	for o, err := range s.store.List(ctx, p.Prefix()) {
		if err != nil {
			return nil, fmt.Errorf("list the artifacts of %s: %w", p.Prefix(), err)
		}
		if strings.HasSuffix(o.Key, sidecarSuffix) {
			sidecars[o.Key] = o
		} else {
			files = append(files, o)
		}
	}
	all := make([]Artifact, 0, len(files))
	var read []int // those with a sidecar to read
	for _, o := range files {
		a := listed(p, o)
		sidecar, paired := sidecars[o.Key+sidecarSuffix]
		delete(sidecars, o.Key+sidecarSuffix)
		switch {
		case a.Verdict != "":
		case !paired:
			a.Verdict, a.Detail = MissingSidecar, noSidecar(a.File)
		case sidecar.Link:
			a.Verdict, a.Detail = MalformedSidecar, "its sidecar is a symbolic link or no file at all"
		default:
			a.Verdict = Unverified
			read = append(read, len(all))
		}
		all = append(all, a)
	}
	for _, o := range sidecars {
		a := listed(p, o)
		if a.Verdict == "" {
			a.Verdict, a.Detail = OrphanSidecar, "there is no "+config.Inert(strings.TrimSuffix(a.File, sidecarSuffix))+" beside it"
		}
		all = append(all, a)
	}
	if err := s.readSidecars(ctx, p, all, read); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Artifact) int { return strings.Compare(a.File, b.File) })
	return all, nil
}

// listed is an object as an artifact, with a verdict where it can have no other.
func listed(p Place, o Object) Artifact {
	a := Artifact{Place: p, File: strings.TrimPrefix(o.Key, p.Prefix()), Size: o.Size, Modified: o.Modified, Version: o.Version}
	if err := CheckName(a.File); err != nil {
		a.Verdict, a.Detail = BadName, config.Inert(err.Error())
	} else if o.Link {
		a.Verdict, a.Detail = Symlink, "a symbolic link, or no regular file; it is never opened"
	}
	return a
}

// readSidecars reads the sidecars of those artifacts, several at a time. One that
// a directory cannot give is malformed; a server that cannot give one ends the
// listing, since it says nothing about any of them.
func (s *Staging) readSidecars(ctx context.Context, p Place, as []Artifact, which []int) error {
	all, ctx := errgroup.WithContext(ctx)
	open := func(name string) (io.ReadCloser, error) {
		r, _, err := s.store.Open(ctx, p.Prefix()+name, Range{})
		return r, err
	}
	d, local := s.store.(*Dir)
	if local && len(which) > 0 {
		at, err := d.folder(strings.TrimSuffix(p.Prefix(), "/"), false)
		if err != nil {
			return fmt.Errorf("read the sidecars of %s: %w", p.Prefix(), err)
		}
		defer at.close()
		open = func(name string) (io.ReadCloser, error) {
			f, _, err := at.open(name)
			return f, err
		}
	}
	var next atomic.Int64
	for range min(4*runtime.GOMAXPROCS(0), len(which)) {
		all.Go(func() error {
			buf := make([]byte, maxSidecar+1)
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(which) {
					return nil
				}
				a := &as[which[n]]
				b, err := readSidecar(open, a.File, buf)
				switch {
				case err == nil:
					if a.Digest, err = ParseSidecar(b, a.File); err == nil {
						continue
					}
				case errors.Is(err, ErrNotFound):
					a.Verdict, a.Detail = MissingSidecar, noSidecar(a.File)
					continue
				case !local:
					return fmt.Errorf("read the sidecar of %s: %w", config.Inert(a.File), err)
				}
				a.Verdict, a.Detail = MalformedSidecar, "its sidecar: "+config.Inert(err.Error())
			}
			return ctx.Err()
		})
	}
	return all.Wait()
}

func noSidecar(file string) string {
	return "there is no " + config.Inert(file) + sidecarSuffix + " beside it"
}

// readSidecar is what a sidecar holds, or as much of it as the buffer takes.
func readSidecar(open func(string) (io.ReadCloser, error), file string, buf []byte) ([]byte, error) {
	r, err := open(file + sidecarSuffix)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return buf[:n], nil
}
