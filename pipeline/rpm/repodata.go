package rpm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/repodata"
)

// RepodataOptions says how metadata is written.
type RepodataOptions struct {
	Compression config.Compression
	Revision    int64 // Unix seconds; also the timestamp of each document
	Previous    *PreviousRepodata
	Count       func(packages int) // told as packages are done, from several goroutines; may be nil
}

// PreviousRepodata is the metadata of an earlier snapshot. What it has of
// packages that are still there is copied.
type PreviousRepodata struct {
	Index []byte                              // its Repodata.Index
	Open  func(path string) (*os.File, error) // opens a file of that snapshot
}

// Repodata is what WriteRepodata made.
type Repodata struct {
	repodata.Repomd
	Packages int             // how many
	Reused   int             // of them, copied from the earlier snapshot
	Damaged  bool            // the earlier snapshot's metadata did not have its digest, and was made anew
	Index    json.RawMessage // for the next snapshot's PreviousRepodata
}

const xmlHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

// envelopes are what stands round the packages in each document.
var envelopes = [parts]struct{ head, tail string }{
	{"<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"", "</metadata>"},
	{"<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\"", "</filelists>"},
	{"<otherdata xmlns=\"http://linux.duke.edu/metadata/other\"", "</otherdata>"},
}

// WriteRepodata writes the primary, filelists and other documents of a set of
// packages to w, in that order; their names, and repomd.xml, follow from what it
// returns. Equal packages and options make equal bytes, whatever is copied from
// an earlier snapshot. No packages are an error, like ones whose SHA256 or name
// is missing, and ones whose header is not what their File says.
func WriteRepodata(ctx context.Context, w [3]io.Writer, pkgs []PackageFile, o RepodataOptions) (*Repodata, error) {
	if len(pkgs) == 0 {
		return nil, errors.New("describe packages: there are no packages")
	}
	paths := make(map[string]bool, len(pkgs))
	for i := range pkgs {
		p := &pkgs[i]
		if err := p.check(); err != nil {
			return nil, err
		}
		if paths[p.Path] {
			return nil, fmt.Errorf("describe %s: it is there twice", p.Path)
		}
		paths[p.Path] = true
	}
	lead, err := newPacker(o.Compression)
	if err != nil {
		return nil, err
	}
	defer lead.close()
	past := openPast(o)
	defer past.close()

	out := &repodataWriter{options: o, lead: lead, result: Repodata{Packages: len(pkgs)}}
	out.index = index{Format: indexFormat, Compression: o.Compression, Packages: len(pkgs)}
	if err := out.begin(w, len(pkgs)); err != nil {
		return nil, err
	}
	if err := out.body(ctx, divide(sorted(pkgs)), past); err != nil {
		return nil, err
	}
	return out.end()
}

// repodataWriter is the state of one WriteRepodata.
type repodataWriter struct {
	options   RepodataOptions
	lead      *packer
	documents [parts]*document
	index     index
	result    Repodata
}

// begin writes what stands before the packages.
func (o *repodataWriter) begin(w [3]io.Writer, packages int) error {
	for i := range parts {
		o.documents[i] = newDocument(w[i])
		if o.options.Compression == config.Gzip {
			if err := o.documents[i].add([]byte(gzipHead), nil); err != nil {
				return fmt.Errorf("write %s: %w", repodata.Types[i], err)
			}
		}
		if err := o.add(i, fmt.Sprintf("%s%s packages=\"%d\">\n", xmlHead, envelopes[i].head, packages)); err != nil {
			return err
		}
		o.index.Head[i] = o.documents[i].size
	}
	return nil
}

// add writes text to a document.
func (o *repodataWriter) add(i part, text string) error {
	var b bytes.Buffer
	err := o.lead.pack(&b, []byte(text))
	if err == nil {
		err = o.documents[i].add(b.Bytes(), []byte(text))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", repodata.Types[i], err)
	}
	return nil
}

// body makes the chunks on all processors and writes them in order. A few are
// under way at a time, so that memory does not grow with the repository.
func (o *repodataWriter) body(ctx context.Context, all [][]PackageFile, past *past) error {
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *piece, 2*workers)
	for range cap(free) {
		free <- &piece{done: make(chan struct{}, 1)}
	}
	jobs, order := make(chan *piece, cap(free)), make(chan *piece, cap(free))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(jobs)
		defer close(order)
		same := past.packages == o.result.Packages
		for i, pkgs := range all {
			select {
			case p := <-free:
				p.pkgs, p.id = pkgs, identity(pkgs)
				p.old, p.reuse = past.chunks[p.id]
				same = same && p.reuse && p.old.number == i && p.old.resumable()
				p.same = same
				jobs <- p
				order <- p
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			k, err := newMaker(o.options.Compression, past)
			if err != nil {
				return err
			}
			defer k.pack.close()
			for p := range jobs {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := k.make(p); err != nil {
					return err
				}
				p.done <- struct{}{}
				if o.options.Count != nil {
					o.options.Count(len(p.pkgs))
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for p := range order {
			select {
			case <-p.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := o.take(p); err != nil {
				return err
			}
			free <- p
		}
		return nil
	})
	return g.Wait()
}

// take writes a finished chunk.
func (o *repodataWriter) take(p *piece) error {
	k := chunk{ID: p.id}
	for i := range parts {
		d, packed, before := o.documents[i], p.packed[i].Bytes(), o.documents[i].bytes
		err := d.add(packed, p.plain[i].b)
		if err == nil && p.same && !p.damaged {
			err = d.resume(p.old.Open[i], p.old.State[i], p.old.CRC[i])
		}
		if err == nil {
			k.State[i], err = d.state()
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", repodata.Types[i], err)
		}
		k.Size[i], k.Open[i], k.Sum[i], k.CRC[i] = int64(len(packed)), d.bytes-before, p.sum[i], d.crc
	}
	o.index.Chunks = append(o.index.Chunks, k)
	if p.reuse {
		o.result.Reused += len(p.pkgs)
	}
	o.result.Damaged = o.result.Damaged || p.damaged
	return nil
}

// end writes what stands after the packages, and sums up.
func (o *repodataWriter) end() (*Repodata, error) {
	o.result.Revision = o.options.Revision
	for i, d := range o.documents {
		if err := o.add(part(i), envelopes[i].tail); err != nil {
			return nil, err
		}
		if err := d.finish(o.options.Compression); err != nil {
			return nil, fmt.Errorf("write %s: %w", repodata.Types[i], err)
		}
		doc := d.describe(repodata.Types[i], o.options.Compression, o.options.Revision)
		*o.result.Documents()[i] = doc
		o.index.Files[i] = doc.Href
	}
	var err error
	if o.result.Index, err = json.Marshal(o.index); err != nil {
		return nil, fmt.Errorf("write index of repodata: %w", err)
	}
	return &o.result, nil
}
