package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/pipeline/repodata"
	"gantry/pipeline/walk"
)

// generation is the metadata of a repository at a time.
type generation struct {
	digest string // SHA-256 of repomd.xml
	made   int64  // Unix seconds of the newest document that it names; 0 is not known
}

// generationOf reads repomd.xml.
func generationOf(repomd []byte) generation {
	sum := sha256.Sum256(repomd)
	g := generation{digest: hex.EncodeToString(sum[:])}
	index, err := repodata.ReadIndex(bytes.NewReader(repomd))
	if err != nil {
		return g // whatever it is: its digest tells that it is not ours
	}
	for _, d := range index.Documents {
		g.made = max(g.made, d.Timestamp)
	}
	return g
}

// directory is where the edition is below the root of production.
func (m mirrors) directory(env *pipeline.Env) (e config.Edition, dir string, err error) {
	if e, err = config.ParseEdition(env.Version); err != nil {
		return e, "", err
	}
	tree := m.target.Tree
	if !tree.Serves(e) || tree.Production.Root == "" {
		return e, "", fmt.Errorf("%s is in no production of %s, so no mirror can have it", env.Version, m.target.Name)
	}
	dir, err = tree.Directory(tree.Production, e)
	return e, dir, err
}

// ours reads what production serves of the edition: its files, or, where it is
// on a store, what clients get of it.
func (m mirrors) ours(ctx context.Context, env *pipeline.Env) (map[string]generation, error) {
	tree := m.target.Tree
	edition, dir, err := m.directory(env)
	if err != nil {
		return nil, err
	}
	read := func(repo string) ([]byte, error) {
		mount, err := walk.Open(m.cfg.Path(tree.Production.Root), tree.Production.Mount)
		if err != nil {
			return nil, err
		}
		defer mount.Close()
		root, err := mount.Below(".")
		if err != nil {
			return nil, err
		}
		defer root.Close()
		repomd, _, err := aside.Read(root, path.Join(dir, repo, repodata.Path), repodata.MaxRepomd)
		return repomd, err
	}
	if _, _, remote := m.cfg.StoreOf(tree.Production.Root); remote {
		base, err := m.target.Address(edition)
		if err != nil {
			return nil, err
		}
		if base == "" {
			return nil, config.Hint(fmt.Errorf("production of %s is on a store, and nobody says where clients reach it", m.target.Name), "write url: of the target in release.yaml")
		}
		client, done := newClient()
		defer done()
		read = func(repo string) ([]byte, error) {
			return get(ctx, client, strings.TrimRight(base, "/")+"/"+repo+"/"+repodata.Path, time.Duration(m.Timeout), repodata.MaxRepomd)
		}
	}
	ours := map[string]generation{}
	for _, repo := range m.Repos {
		repomd, err := read(repo)
		if err != nil {
			return nil, config.Hint(fmt.Errorf("read repomd.xml of %s in production: %w", repo, err), "mirrors are compared with production: sync it first")
		}
		ours[repo] = generationOf(repomd)
	}
	return ours, nil
}

// rememberer is a served tree that keeps what it replaced.
type rememberer interface {
	// Earlier is what a file of production was before each of the syncs that are
	// remembered; path is below the root of production.
	Earlier(ctx context.Context, path string) ([][]byte, error)
}

// remembered is what production served of the edition before, as far as the tree
// remembers.
func (m mirrors) remembered(ctx context.Context, env *pipeline.Env) (past, error) {
	known := past{}
	served, err := env.Served(m.target)
	if err != nil {
		return nil, err
	}
	tree, ok := served.(rememberer)
	if !ok {
		return known, nil
	}
	_, dir, err := m.directory(env)
	if err != nil {
		return nil, err
	}
	for _, repo := range m.Repos {
		all, err := tree.Earlier(ctx, path.Join(dir, repo, repodata.Path))
		if err != nil {
			return nil, fmt.Errorf("look at what production served of %s before: %w", repo, err)
		}
		for _, repomd := range all {
			known.learn(repo, generationOf(repomd))
		}
	}
	return known, nil
}
