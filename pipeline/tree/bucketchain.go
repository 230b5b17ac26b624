package tree

import (
	"context"

	"gantry/config"
	"gantry/pipeline"
)

// chain opens the records of a place, wherever they are.
func (s *step) chain(ctx context.Context, env *pipeline.Env, place string) (*chain, error) {
	return openChain(ctx, s.cfg, env.Area, s.area(place), string(s.target.Name), place)
}

func openChain(ctx context.Context, cfg *config.Release, open area, a config.Area, target, place string) (*chain, error) {
	if remote(cfg, a) && place == production {
		l, err := openLedger(ctx, open, a, target, place)
		if err != nil {
			return nil, err
		}
		return l.chain(ctx, target, place)
	}
	root, err := openArea(cfg, place, a)
	if err != nil {
		return nil, err
	}
	c, err := readChain(root, a.Undo, target, place)
	if err != nil {
		root.close()
		return nil, err
	}
	return c, nil
}

// close lets go of the root.
func (c *chain) close() {
	if c.root != nil {
		c.root.close()
	}
}

// point is Pointer of a place on a store. It reads records only where something is
// half done.
func (o *outlet) point(ctx context.Context, place string) (string, error) {
	l, err := openLedger(ctx, o.far, o.area(place), string(o.target.Name), place)
	if err != nil {
		return "", err
	}
	at, err := l.current(ctx)
	if err != nil {
		return "", err
	}
	words := ""
	if at.Doing != "" {
		c, err := l.chain(ctx, string(o.target.Name), place)
		if err != nil {
			return "", err
		}
		if half := c.half(); half != nil {
			words = c.apart(half)
		}
	}
	o.apart.Store(&words)
	return at.Sync, nil
}
