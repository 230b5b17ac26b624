package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/storage"
)

// How much of the past Earlier tells.
const (
	earlierMost = 100     // syncs
	earlierSize = 1 << 20 // bytes of a file
)

// Earlier is what a small file of production was before each of the latest syncs
// that replaced it, the latest first. path is below the root of production.
func (o *outlet) Earlier(ctx context.Context, path string) (all [][]byte, err error) {
	err = o.with(ctx, production, func(c *chain) error {
		asked := 0
		for _, r := range slices.Backward(c.records) {
			at, ours := strings.CutPrefix(path, r.To+"/")
			if !ours {
				continue
			}
			if asked++; asked > earlierMost || ctx.Err() != nil {
				break
			}
			was, err := c.kept(ctx, r, at)
			if errors.Is(err, unix.ENOENT) || errors.Is(err, storage.ErrNotFound) || errors.Is(err, unix.ENOTDIR) {
				continue // that sync left it as it was
			}
			if err != nil {
				return fmt.Errorf("read what sync %s replaced: %s: %w", r.ID, config.Inert(at), err)
			}
			all = append(all, was)
		}
		return ctx.Err()
	})
	return all, err
}

// kept reads a file that a sync replaced.
func (c *chain) kept(ctx context.Context, r *record, path string) ([]byte, error) {
	if c.far != nil {
		return c.far.earlier(ctx, r, path)
	}
	files, err := c.root.open(c.at + "/" + r.ID + "/" + filesDir)
	if err != nil {
		return nil, err
	}
	defer files.close()
	f, size, err := openFile(files, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > earlierSize {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	return io.ReadAll(io.LimitReader(f, earlierSize))
}
