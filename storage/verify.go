package storage

import (
	"context"
	"errors"

	"gantry/config"
)

// Verify hashes an artifact and sets its verdict: Verified, or Mismatch. One
// that is listed with any other trouble keeps its verdict. count hears of bytes
// as they are hashed; it may be nil. That the file is not the one that was listed
// is an error.
func (s *Staging) Verify(ctx context.Context, a Artifact, count func(n int64)) (Artifact, error) {
	as, err := s.VerifyAll(ctx, []Artifact{a}, count, nil)
	if len(as) == 0 {
		return a, err
	}
	return as[0], err
}

// VerifyAll is Verify of many, one hasher per CPU. name hears of each file when
// its turn comes; it and count may be nil, and are called from several
// goroutines. The artifacts given are left alone; those returned are in their
// order. Those that could not be looked at are Unverified, and in the error.
func (s *Staging) VerifyAll(ctx context.Context, as []Artifact, count func(int64), name func(string)) ([]Artifact, error) {
	out := append([]Artifact(nil), as...)
	var (
		keys  []string
		which []int
	)
	for i, a := range out {
		switch a.Verdict {
		case Unverified, Verified, Mismatch:
			if err := a.check(); err != nil {
				return nil, err
			}
			keys, which = append(keys, a.Key()), append(which, i)
		}
	}
	sums, err := s.hash(ctx, keys, count, name)
	if err != nil {
		return nil, err
	}
	var failed []error
	for n, i := range which {
		a, sum := &out[i], sums[n]
		if sum.Err == nil && sum.Object.Version != a.Version {
			sum.Err = changed(*a)
		}
		switch {
		case sum.Err != nil:
			a.Verdict, a.Detail = Unverified, config.Inert(sum.Err.Error())
			if failed = append(failed, sum.Err); len(failed) > maxDifferences {
				failed = failed[:maxDifferences]
			}
		case !isDigest(a.Digest):
			a.Verdict, a.Detail = MalformedSidecar, "no digest to compare with"
		case sum.SHA256 != a.Digest:
			a.Verdict, a.Detail = Mismatch, "the file's SHA-256 is "+sum.SHA256+", its sidecar says "+config.Inert(a.Digest)
		default:
			a.Verdict, a.Detail = Verified, ""
		}
	}
	return out, errors.Join(failed...)
}

// hash hashes objects of the store, several at a time.
func (s *Staging) hash(ctx context.Context, keys []string, count func(int64), name func(string)) ([]Hashed, error) {
	if d, ok := s.store.(*Dir); ok {
		return d.HashFiles(ctx, keys, 0, count, name)
	}
	return hashObjects(ctx, s.store, keys, hashing{count: count, name: name})
}
