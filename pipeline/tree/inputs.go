package tree

import (
	"context"
	"fmt"
	"path"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/repository"
)

// inputs is the sync that a place is the result of, the directory that it was
// made of, and when the repositories there were changed last.
func (s *syncing) inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	c, err := s.chain(ctx, env, s.place)
	if err != nil {
		return "", err
	}
	defer c.close()
	e, err := s.edition(env)
	if err != nil {
		return "", err
	}
	from, at, err := s.source(s.from, e)
	if err != nil {
		return "", err
	}
	defer from.close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", c.current, at)
	if r := c.find(c.current); r != nil {
		for _, p := range r.Repos {
			dir, name := splitPath(path.Join(p, repomd))
			sub, err := from.open(dir)
			if err != nil {
				fmt.Fprintf(&b, "%s -\n", p) // it is gone, which is a change
				continue
			}
			has, err := sub.stat(name)
			sub.close()
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%s %s\n", p, has.append(nil))
		}
	}
	return repository.Digest(b.String()), nil
}
