package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
)

// hashed are the digests of files that were read, or why they could not be.
type hashed struct {
	mu   sync.Mutex
	of   map[string]string // by path
	fail map[string]error
}

// one is a file that is hashed once, whatever its names are.
type one struct {
	folder *Folder
	name   string
	info   fs.FileInfo
}

// hash reads the wanted files of the folders, each once, on all processors.
func hash(ctx context.Context, folders map[string]*Folder, wanted func(*Folder, string) bool, p *pipeline.Progress) (*hashed, error) {
	h := &hashed{of: map[string]string{}, fail: map[string]error{}}
	var all []one
	var size int64
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		f := folders[dir]
		for _, name := range slices.Sorted(maps.Keys(f.Files)) {
			if f.Links[name] == "" && wanted(f, name) {
				all = append(all, one{f, name, f.Files[name]})
				size += f.Files[name].Size()
			}
		}
	}
	p.Phase("hash images", pipeline.Bytes, size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, o := range all {
		group.Go(func() error {
			p.File(o.name)
			digest, err := o.digest(ctx, p)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if at := filepath.Join(o.folder.Dir, o.name); err != nil {
				h.fail[at] = err
			} else {
				h.of[at] = digest
			}
			return nil
		})
	}
	return h, group.Wait()
}

// digest is that of a file of a folder; one that a link leads to is that of the
// file it leads to.
func (h *hashed) digest(f *Folder, name string) (string, error) {
	if to := f.Links[name]; to != "" {
		name = to
	}
	at := filepath.Join(f.Dir, name)
	if err := h.fail[at]; err != nil {
		return "", err
	}
	if h.of[at] == "" {
		return "", fmt.Errorf("%s was not read", name)
	}
	return h.of[at], nil
}

// digest reads the file.
func (o one) digest(ctx context.Context, p *pipeline.Progress) (string, error) {
	file, err := o.folder.Open(o.name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum, buf := sha256.New(), make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := file.Read(buf)
		sum.Write(buf[:n])
		p.Add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	if now, err := file.Stat(); err != nil || !Same(o.info, now) {
		return "", fmt.Errorf("%s changed while it was read", o.name)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Verify hashes what the CHECKSUM files name and is there, and completes verdicts
// and findings.
func (v *Found) Verify(ctx context.Context, p *pipeline.Progress) error {
	leads := map[string]bool{} // files that a named link leads to
	for dir, f := range v.folders {
		for name := range f.Sums {
			if f.Links[name] != "" {
				name = f.Links[name]
			}
			leads[filepath.Join(dir, name)] = true
		}
	}
	h, err := hash(ctx, v.folders, func(f *Folder, name string) bool { return leads[filepath.Join(f.Dir, name)] }, p)
	if err != nil {
		return err
	}
	bad := map[string]Verdict{}
	for _, dir := range slices.Sorted(maps.Keys(v.folders)) {
		f := v.folders[dir]
		for _, name := range slices.Sorted(maps.Keys(f.Sums)) {
			if f.Files[name] == nil {
				continue
			}
			at := filepath.Join(dir, name)
			digest, err := h.digest(f, name)
			switch {
			case err != nil:
				bad[at] = Unreadable
				v.find("%s: %s", filepath.Base(dir), config.Inert(err.Error()))
			case digest != f.Sums[name].SHA256:
				bad[at] = Mismatch
				v.find("%s: %s has the SHA-256 %s, %s says %s", filepath.Base(dir), name, digest, v.Checksum, f.Sums[name].SHA256)
			}
		}
	}
	for i := range v.Images {
		im := &v.Images[i]
		if im.Verdict != Present {
			continue
		}
		im.Verdict = Verified
		if b := bad[filepath.Join(im.Dir, im.Name)]; b != "" {
			im.Verdict = b
		}
	}
	return nil
}
