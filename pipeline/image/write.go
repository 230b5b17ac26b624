package image

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"gantry/pipeline/aside"
)

// write writes links first, then the checksums that name them, and tells how many
// files that were.
func (t *task) write(ctx context.Context, sums []Sum) (int, error) {
	wrote := 0
	for _, name := range slices.Sorted(maps.Keys(t.links)) {
		if t.Links[name] == t.links[name] {
			continue
		}
		if err := aside.Symlink(t.root, name, t.links[name]); err != nil {
			return wrote, err
		}
		wrote++
	}
	texts := map[string][]Sum{t.checksum: sums}
	names := []string{}
	for _, s := range sums {
		names = append(names, s.Name+".CHECKSUM")
		texts[s.Name+".CHECKSUM"] = []Sum{s}
	}
	for _, name := range append(names, t.checksum) {
		text, err := Format(texts[name])
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return wrote, err
		}
		if was, err := t.text(name); err == nil && bytes.Equal(was, text) && t.Links[name] == "" {
			continue
		}
		if err := aside.Replace(t.root, name, text, nil); err != nil {
			return wrote, err
		}
		wrote++
	}
	return wrote, nil
}
