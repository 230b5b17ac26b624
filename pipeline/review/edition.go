package review

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// editionOf is the edition of a tree that a review is of: that of the release
// which is worked on, or, where there is none or it is another tree's, the one that
// staging was last synced to. A tree whose paths name no edition needs none.
func editionOf(ctx context.Context, env *pipeline.Env, t *config.Target) (config.Edition, error) {
	if !strings.Contains(t.Tree.Staging.Path+t.Tree.Production.Path, "{") {
		return config.Edition{}, nil
	}
	synced, err := lastSync(ctx, env, t)
	if err != nil {
		return config.Edition{}, fmt.Errorf("see what %s was synced to: %w", t.Name, err)
	}
	for _, version := range []string{env.Version, synced} {
		if e, err := config.ParseEdition(version); err == nil && (t.Tree.Serves(e) || t.Tree.Major == 0 && t.Tree.Stream == e.Stream) {
			return e, nil
		}
	}
	return config.Edition{}, &pipeline.RefusedError{
		Reason: fmt.Sprintf("nothing tells which edition of %s to review: no release of it is open, and it was not synced yet", t.Name),
		Hint:   "begin one, such as: gantry open patch 9.7",
	}
}

// lastSync is the version of the release that staging was synced for, as the tree
// records it with each sync; empty where it does not say.
func lastSync(ctx context.Context, env *pipeline.Env, t *config.Target) (string, error) {
	if env.Served == nil {
		return "", nil
	}
	served, err := env.Served(t)
	if err != nil {
		return "", err
	}
	id, err := served.Pointer(ctx, "staging")
	if err != nil || id == "" {
		return "", err
	}
	about, err := served.Head(ctx, id)
	if err != nil {
		return "", err
	}
	var sync struct {
		Edition string `json:"edition"`
	}
	if raw := about.Extra["sync"]; raw != nil {
		err = json.Unmarshal(raw, &sync)
	}
	return sync.Edition, err
}
