package storage

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gantry/config"
)

// List pairs the files of a place with their sidecars, by name. What does not
// pair, has an impossible name or is no file is in the listing too, with its
// verdict.
func (s *Staging) List(ctx context.Context, p Place) ([]Artifact, error) {
	if s.listed == nil {
		return s.list(ctx, p)
	}
	if as, ok := s.listed[p]; ok {
		return slices.Clone(as), nil
	}
	as, err := s.list(ctx, p)
	if err == nil {
		s.listed[p] = slices.Clone(as)
	}
	return as, err
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
			a.Verdict, a.Detail = MissingSidecar, "there is no "+config.Inert(a.File)+sidecarSuffix+" beside it"
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

// readSidecars reads the sidecars of those artifacts, several at a time.
func (s *Staging) readSidecars(ctx context.Context, p Place, as []Artifact, which []int) error {
	open := func(name string) (io.ReadCloser, error) {
		r, _, err := s.store.Open(ctx, p.Prefix()+name, Range{})
		return r, err
	}
	if d, ok := s.store.(*Dir); ok && len(which) > 0 {
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
	var all sync.WaitGroup
	for range min(4*runtime.GOMAXPROCS(0), len(which)) {
		all.Go(func() {
			buf := make([]byte, maxSidecar+1)
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(which) {
					return
				}
				a := &as[which[n]]
				digest, err := readSidecar(open, a.File, buf)
				if err != nil {
					a.Verdict, a.Detail = MalformedSidecar, "its sidecar: "+config.Inert(err.Error())
					continue
				}
				a.Digest = digest
			}
		})
	}
	all.Wait()
	return ctx.Err()
}

func readSidecar(open func(string) (io.ReadCloser, error), file string, buf []byte) (string, error) {
	r, err := open(file + sidecarSuffix)
	if err != nil {
		return "", err
	}
	defer r.Close()
	n, err := io.ReadFull(r, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	return ParseSidecar(buf[:n], file)
}
