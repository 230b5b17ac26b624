// Package proof looks for what a program must leave behind: that it ended well is
// not believed alone.
package proof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// looked is how much of a file is searched for a text, in bytes.
const looked = 1 << 20

const (
	grain = time.Second     // the coarsest time of change that a file system keeps
	ahead = 5 * time.Minute // that the clock of a file may be of this machine's
)

// found is a file that a proof is about.
type found struct {
	name     string
	size     int64
	modified time.Time
	open     func() (io.ReadCloser, error)
}

// Check looks whether all that proofs want is there and not empty, with words in
// the place of their placeholders; began is when the program did, by the clock of
// this machine. The evidence has each proof by the files that it names. Relative
// files are below the directory of the configuration, and never lead out of it.
func Check(ctx context.Context, env *pipeline.Env, proofs []config.Proof, words map[string]string, began time.Time) (pipeline.Evidence, error) {
	ev := pipeline.Evidence{}
	var errs []error
	for _, p := range proofs {
		pattern, err := config.Expand(p.Files, words)
		if err == nil {
			p.Contains, err = config.Expand(p.Contains, words)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("what proves it cannot be looked for: %w", err))
			continue
		}
		name := config.Inert(pattern)
		what, err := check(ctx, env, p, pattern, began)
		if err != nil {
			errs = append(errs, config.Hint(fmt.Errorf("%s proves nothing: %w", name, err), "exit status 0 is not believed alone: see what it says in the log"))
			continue
		}
		ev[name] = what
	}
	return ev, Together(errs)
}

// Together is several errors as one, on one line; nil for none.
func Together(errs []error) error {
	var all error
	for _, err := range errs {
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// Split parts proofs into those about one architecture each, and those about all.
func Split(proofs []config.Proof) (each, all []config.Proof) {
	for _, p := range proofs {
		if strings.Contains(p.Files, "{arch}") || strings.Contains(p.Contains, "{arch}") {
			each = append(each, p)
		} else {
			all = append(all, p)
		}
	}
	return each, all
}

// Into adds evidence to that of a run, under a name of its own where there is one.
func Into(all, ev pipeline.Evidence, name string) {
	for _, key := range slices.Sorted(maps.Keys(ev)) {
		if name != "" {
			all[name+": "+key] = ev[key]
		} else {
			all[key] = ev[key]
		}
	}
}

func check(ctx context.Context, env *pipeline.Env, p config.Proof, pattern string, began time.Time) (string, error) {
	files, done, err := find(ctx, env, pattern)
	if err != nil {
		return "", err
	}
	defer done()
	want := max(p.Count, 1)
	switch {
	case len(files) == 0:
		return "", errors.New("no such file is there")
	case len(files) < want:
		return "", fmt.Errorf("%d of at least %d files are there", len(files), want)
	case p.SHA256 != "" && len(files) > 1:
		return "", fmt.Errorf("%d files are there, where one has the digest", len(files))
	}
	var size int64
	var newest time.Time
	for _, f := range files {
		if f.size == 0 {
			return "", fmt.Errorf("%s is empty", config.Inert(f.name))
		}
		if p.Fresh && f.modified.Before(began.Truncate(grain)) {
			return "", fmt.Errorf("%s is of %s, before the run began at %s", config.Inert(f.name), stamp(f.modified), stamp(began))
		}
		if p.Fresh && f.modified.After(time.Now().Add(ahead)) {
			return "", fmt.Errorf("%s is of %s, which is yet to come: nobody can tell when it was made", config.Inert(f.name), stamp(f.modified))
		}
		if p.Contains != "" {
			if err := contains(f, p.Contains); err != nil {
				return "", err
			}
		}
		size += f.size
		if f.modified.After(newest) {
			newest = f.modified
		}
	}
	what := fmt.Sprintf("%d files, %d bytes, the newest of %s", len(files), size, stamp(newest))
	if len(files) == 1 {
		what = fmt.Sprintf("%d bytes of %s", size, stamp(newest))
	}
	if p.SHA256 != "" {
		got, err := digest(ctx, files[0])
		if err != nil {
			return "", err
		}
		if !strings.EqualFold(got, p.SHA256) {
			return "", fmt.Errorf("its SHA-256 is %s, not %s", got, config.Inert(p.SHA256))
		}
		what += ", SHA-256 " + got
	}
	return what, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// contains looks for a text in the beginning of a file.
func contains(f found, text string) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, looked))
	if err != nil {
		return fmt.Errorf("read %s: %w", config.Inert(f.name), err)
	}
	if !bytes.Contains(b, []byte(text)) {
		return fmt.Errorf("%s does not hold %q in its first %d bytes", config.Inert(f.name), config.Inert(text), min(int64(looked), f.size))
	}
	return nil
}

func digest(ctx context.Context, f found) (string, error) {
	r, err := f.open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", config.Inert(f.name), err)
		}
	}
}
