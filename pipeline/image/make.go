package image

import (
	"errors"
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Make makes the step of an item that uses image.check or image.checksum, with
// the name of a matrix of images.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	im, tree, err := Find(cfg, item, item.With["name"])
	if err != nil {
		return nil, err
	}
	about := subject{cfg, im, tree}
	switch item.Uses {
	case "image.check":
		return check{about}, nil
	case "image.checksum":
		if im.In == "production" {
			return nil, config.Hint(fmt.Errorf("item %s would write into production", item.ID), "make checksums in compose or staging, and sync them")
		}
		return checksum{about}, nil
	}
	return nil, fmt.Errorf("item %s uses %q, which is nothing to do with images", item.ID, config.Inert(item.Uses))
}

// subject is the matrix that a step is about.
type subject struct {
	cfg  *config.Release
	im   *config.Images
	tree *config.Tree
}

func (s subject) look(env *pipeline.Env) (*Found, error) {
	m, err := NewMatrix(s.cfg, s.im, s.tree, s.im.In, env.Version)
	if err != nil {
		return nil, err
	}
	return m.Look(), nil
}

// refusal is what was found, as an error of the first few.
func refusal(findings []string, hint string) error {
	if len(findings) == 0 {
		return nil
	}
	const most = 5
	text := ""
	for i, f := range findings[:min(len(findings), most)] {
		if i > 0 {
			text += "; "
		}
		text += f
	}
	if n := len(findings) - most; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return config.Hint(errors.New(text), hint)
}
