package rpm

import (
	"context"
	"fmt"
	"strconv"

	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
)

// Read reads a snapshot as dnf does that follows the pointer, and tells what it
// saw.
func (trade) Read(ctx context.Context, in *repository.World, s *repository.Snapshot, how repository.Reading, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := at(in)
	if err != nil {
		return nil, err
	}
	public, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return nil, err
	}
	out, err := w.outlet(s.ID, how.Via)
	if err != nil {
		return nil, err
	}
	defer out.close()
	c := client{outlet: out, want: s, prefix: prefix(w.Target, w.tree, s.ID), public: public, at: w.Env.Now(), sample: how.Sample, p: p}
	found, err := c.read(ctx, how.Pointer)
	if err != nil {
		return nil, err
	}
	p.Logf("read as a client: %s, revision %d, %d packages, %d of them whole", c.prefix, s.Revision, found.packages, found.whole)
	ev := pipeline.Evidence{
		"snapshot": s.ID,
		"address":  c.prefix,
		"revision": strconv.FormatInt(s.Revision, 10),
		"packages": strconv.Itoa(found.packages),
		"read":     strconv.Itoa(found.whole),
		"bytes":    strconv.FormatInt(found.bytes, 10),
		"key":      public.Fingerprint(),
	}
	if from, ok := out.(*web); ok {
		if err := from.Guarded(ctx, c.prefix+repodata.Path, ev); err != nil {
			return nil, fmt.Errorf("repomd.xml: %w", err)
		}
	}
	return ev, nil
}
