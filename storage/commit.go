package storage

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"gantry/config"
)

// Commit makes the build a snapshot: directories are synced, deepest first; new
// files are read again from the disk and hashed; every file is compared with the
// record; manifest.json is written last; and the directory gets its name, which
// nobody else may have. m needs what only the caller knows: ID, Revision, Files,
// and Created where it is zero, are set here. count hears of the bytes as they
// are hashed; it may be nil. After an error the build is as it was: to be
// aborted.
func (b *dirBuild) Commit(ctx context.Context, m Manifest, count func(n int64)) (*Manifest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		return nil, errors.New("commit a snapshot: the build is over")
	}
	if b.open > 0 {
		return nil, fmt.Errorf("commit snapshot %s: %d files are still being written", b.id, b.open)
	}
	if err := m.seal(b.id, b.time, b.files); err != nil {
		return nil, fmt.Errorf("commit snapshot %s: %w", b.id, err)
	}
	if err := b.finish(ctx, &m, count); err != nil {
		return nil, fmt.Errorf("commit snapshot %s: %w", b.id, err)
	}
	b.close()
	return &m, nil
}

func (b *dirBuild) finish(ctx context.Context, m *Manifest, count func(int64)) error {
	// A path with more segments is synced before those above it. The directory
	// above all is synced after the manifest, and stays closed until then.
	dirs := slices.SortedFunc(maps.Keys(b.dirs), func(x, y string) int {
		return cmp.Or(cmp.Compare(strings.Count(y, "/"), strings.Count(x, "/")), cmp.Compare(y, x))
	})
	// All changes come before the first sync: after it, the others have nothing
	// to wait for.
	for _, do := range []func(*folder) error{(*folder).publish, (*folder).sync} {
		for _, dir := range dirs {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := b.at.folder(dir, false)
			if err != nil {
				return err
			}
			err = do(f)
			f.close()
			if err != nil {
				return f.fail("sync", "", err)
			}
		}
	}
	Reach("build.dirs.synced")
	if err := b.verify(ctx, m, count); err != nil {
		return err
	}
	Reach("build.verified")
	top, err := b.at.folder("", false)
	if err != nil {
		return err
	}
	defer top.close()
	if err := top.writeManifest(m); err != nil {
		return err
	}
	Reach("build.manifest.synced")
	if err := top.publish(); err != nil {
		return top.fail("open to readers:", "", err)
	}
	if err := top.sync(); err != nil {
		return top.fail("sync", "", err)
	}
	Reach("build.complete")
	snapshots, err := b.served.dir.folder(snapshotsDir, false)
	if err != nil {
		return err
	}
	defer snapshots.close()
	if err := snapshots.renameNew(b.temp, b.id); errors.Is(err, fs.ErrExist) {
		return config.Hint(fmt.Errorf("%s/%s: %w", snapshots.path, b.id, ErrExists), "another build was made in the same second; build again")
	} else if err != nil {
		return snapshots.fail("rename to", b.id, err)
	}
	Reach("build.renamed")
	if err := snapshots.sync(); err != nil {
		return snapshots.fail("sync", "", err)
	}
	Reach("build.durable")
	return nil
}

// publish lets clients read the directory, whatever the umask of the builder is.
func (f *folder) publish() error {
	fi, err := f.file.Stat()
	if err != nil || fi.Mode().Perm() == 0o755 {
		return err
	}
	return f.file.Chmod(0o755)
}

// verify compares the files that are there with those recorded, both ways, and
// hashes again what was written here.
func (b *dirBuild) verify(ctx context.Context, m *Manifest, count func(int64)) error {
	c := comparison{files: dirFiles{b.at, true}, manifest: m, rehash: func(f File, _ string) bool { return b.fresh[f.Path] }, count: count}
	return c.run(ctx)
}

func (f *folder) writeManifest(m *Manifest) error {
	file, err := f.root.OpenFile(manifestName, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return f.fail("create", manifestName, err)
	}
	w := bufio.NewWriterSize(file, 1<<16)
	err = m.encode(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Chmod(0o444)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(f.fail("write", manifestName, err), f.remove(manifestName))
	}
	return nil
}
