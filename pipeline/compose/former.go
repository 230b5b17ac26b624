package compose

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
)

// former is what the link named before it was moved to where it leads now.
func (a aim) former(root *os.Root, area config.Area) (before string, err error) {
	if a.from != "" && a.from == path.Base(a.from) { // what others let it name is not ours to take back
		before, err = link{name: record(area, a.name, a.from)}.from(root)
	}
	if err == nil && before == "" {
		err = &pipeline.RefusedError{Reason: fmt.Sprintf("nothing is known of what %s named before %s", config.Inert(a.name), orNowhere(a.from))}
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

// record is the link that keeps what another link named before it was moved to a
// directory.
func record(area config.Area, name, to string) string {
	return path.Join(area.Undo, "links", name, to)
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
	return aside.Sync(root, path.Dir(at))
}
