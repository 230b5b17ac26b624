package compose

import (
	"os"
	"path"
	"path/filepath"

	"gantry/config"
	"gantry/pipeline"
)

// former is what the link named before it was moved last.
func (a aim) former(root *os.Root, area config.Area) (string, error) {
	before, err := link{name: record(area, a.name)}.from(root)
	if err == nil && before == "" {
		err = &pipeline.RefusedError{Reason: "nothing is known of what " + config.Inert(a.name) + " named before"}
	}
	if err == nil && before == a.from {
		err = &pipeline.RefusedError{Reason: config.Inert(a.name) + " names " + config.Inert(before) + " already", Idle: true}
	}
	if err != nil {
		return "", err
	}
	at := before // other tools leave links with whole paths
	if !filepath.IsAbs(at) {
		at = filepath.Join(root.Name(), filepath.FromSlash(path.Dir(a.name)), at)
	}
	if fi, err := os.Stat(at); err != nil || !fi.IsDir() {
		return "", &pipeline.RefusedError{Reason: config.Inert(a.name) + " named " + config.Inert(before) + ", which is not there any more"}
	}
	return before, nil
}

// record is the link that keeps what another link named before.
func record(area config.Area, name string) string {
	return path.Join(area.Undo, "links", name)
}

// remember keeps what a link named, nothing where it is new.
func remember(root *os.Root, at, from string) error {
	if err := root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	kept := link{at, from}
	was, err := kept.from(root)
	if err != nil || was == from {
		return err
	}
	if from != "" {
		return kept.set(root, was)
	}
	if err := root.Remove(at); err != nil {
		return err
	}
	return settle(root, path.Dir(at))
}
