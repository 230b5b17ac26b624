package forge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
)

// SecretNames lists the names of the Actions secrets that workflows of a forge's
// repository can read, sorted: those of the repository, and those of its
// organisation that it may see. What they hold cannot be read by the API. The
// token needs to read secrets, which of GitHub is a permission of its own; of
// organisations of Gitea and Forgejo it is their owners'.
func SecretNames(ctx context.Context, cfg *config.Release, forge *config.Forge) ([]string, error) {
	c, err := Open(cfg, forge)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	lists := []string{c.path("actions/secrets?per_page=100"), c.path("actions/organization-secrets?per_page=100")}
	if c.kind == config.Forgejo {
		owner, _, _ := strings.Cut(c.repo, "/")
		lists = []string{c.path("actions/secrets?limit=50"), c.path("/orgs/%s/actions/secrets?limit=50", owner)}
	}
	var names []string
	for i, list := range lists {
		more, err := c.secrets(ctx, list)
		if i > 0 && Status(err) == 404 {
			continue // it belongs to a person, not to an organisation
		}
		if i > 0 && Status(err) == 403 && c.kind == config.Forgejo && !limited(err) {
			continue // only owners may read those of an organisation: they do not count as set
		}
		if err != nil {
			return nil, fmt.Errorf("list the secrets of %s: %w", c.repo, err)
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// secrets reads one list. GitHub wraps it in an object, Gitea and Forgejo do not.
func (c *Client) secrets(ctx context.Context, at string) (names []string, err error) {
	type secret struct {
		Name string `json:"name"`
	}
	var bare []secret
	var wrapped struct {
		Total   *int     `json:"total_count"`
		Secrets []secret `json:"secrets"`
	}
	into := func() any {
		if bare, wrapped.Total, wrapped.Secrets = nil, nil, nil; c.kind == config.GitHub {
			return &wrapped
		}
		return &bare
	}
	err = c.pages(ctx, at+"&page=", into, func(total int) (int, int, bool) {
		all := append(bare, wrapped.Secrets...)
		for _, s := range all {
			names = append(names, c.clean(s.Name))
		}
		if wrapped.Total != nil {
			total = *wrapped.Total
		}
		return len(all), total, false
	})
	return names, err
}

func limited(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.limited
}
