package tree

import (
	"context"
	"path"

	"gantry/pipeline/repodata"
)

// known is what the destination has under the names of a repository's packages:
// by its metadata or, on a store, by what the last sync noted. Metadata that cannot
// be read says nothing: it is what is replaced.
func (v *survey) known(ctx context.Context, at *repo) func(href string) *[32]byte {
	if v.stock != nil {
		return func(href string) *[32]byte {
			if e := v.here[path.Join(at.path, href)]; e != nil {
				return e.sum
			}
			return nil
		}
	}
	sums := map[string]*[32]byte{}
	if v.to != nil && at.dst {
		if r, err := repodata.Open(ctx, filesOf(v.to, at.path)); err == nil {
			_ = r.Packages(ctx, func(p repodata.PackageRef) error {
				sums[p.Href] = digest(p.SHA256)
				return nil
			})
		}
	}
	return func(href string) *[32]byte { return sums[href] }
}

// masked tells whether a file that has other bytes than the one under its name in
// the destination has its size and time all the same. It would not be copied, and
// the new metadata would be of bytes that clients do not get.
func (v *survey) masked(p string, e *entry) (bool, error) {
	has := (*entry)(nil)
	if v.stock != nil {
		has = v.here[p]
	} else {
		tree := &sight{top: v.to}
		defer tree.close()
		var err error
		if has, err = tree.stat(splitPath(p)); err != nil {
			return false, err
		}
	}
	return has != nil && has.kind == file && has.size == e.size && has.mtime == e.mtime, nil
}
