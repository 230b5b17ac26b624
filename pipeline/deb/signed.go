package deb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gantry/pipeline/sign"
	"gantry/storage"
)

// readSigned verifies the signatures of InRelease and of Release, of which both
// must say the same, and reads exactly what was signed.
func readSigned(files map[string][]byte, public *sign.Public, at time.Time) (*Release, error) {
	text, err := public.VerifyClear(files[inReleasePath], at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inReleasePath, err)
	}
	if !bytes.Equal(text, files[releasePath]) {
		return nil, fmt.Errorf("%s does not say what %s says", releasePath, inReleasePath)
	}
	if err := public.VerifyDetached(files[releasePath], files[signaturePath], at); err != nil {
		return nil, fmt.Errorf("%s: %w", signaturePath, err)
	}
	r, err := ParseRelease(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inReleasePath, err)
	}
	return r, nil
}

// small reads a small file of a snapshot.
func small(ctx context.Context, tree storage.Tree, id, path string) ([]byte, error) {
	f, err := tree.Open(ctx, id, path)
	if err != nil {
		return nil, fmt.Errorf("open %s of snapshot %s: %w", path, id, err)
	}
	defer f.Close()
	b, err := atMost(f, maxRelease)
	if err != nil {
		return nil, fmt.Errorf("read %s of snapshot %s: %w", path, id, err)
	}
	return b, nil
}

var errLonger = errors.New("it is longer than it may be")

// atMost reads all of what has no more than so many bytes.
func atMost(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = errLonger
	}
	return b, err
}
