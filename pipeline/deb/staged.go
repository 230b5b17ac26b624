package deb

import (
	"context"
	"os"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/channel"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Arch reads the architecture of a package that is to be staged: amd64; empty for
// one that goes with every architecture.
func Arch(file *os.File) (string, error) {
	p, err := readHead(file)
	if err != nil {
		return "", config.Hint(err, "stage .deb files for a suite")
	}
	if p.Arch == "all" {
		return "", nil
	}
	return p.Arch, nil
}

// Findings tells what is odd about staged packages by their names: a pre-release
// in a final release, a version below production's, and one that is there with
// other bytes. Names of files have no epoch, so they are compared without; what
// is in the packages is looked at when a snapshot is built.
func Findings(ctx context.Context, env *pipeline.Env, t *config.Target, staged []storage.Artifact) ([]pipeline.Finding, error) {
	var packages, there []channel.Package
	for _, a := range staged {
		if p, ok := channel.Split(config.FormatDEB, a.File); ok {
			p.File, p.Version, p.Digest = a.Key(), withoutEpoch(p.Version), a.Digest
			packages = append(packages, p)
		}
	}
	served, err := env.Served(t)
	if err != nil {
		return nil, err
	}
	id, err := served.Pointer(ctx, repository.Production)
	if err != nil {
		return nil, err
	}
	if id != "" {
		m, _, err := served.Manifest(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, f := range m.Pool {
			there = append(there, channel.Package{Name: f.Name, Version: withoutEpoch(f.Version), Arch: f.Arch, Digest: f.SHA256})
		}
	}
	found := channel.Against(packages, there, CompareVersions)
	if env.Release != "" && channel.Final(strings.TrimSuffix(env.Release, "-"+env.Version), env.Version) {
		found = append(channel.Early(config.FormatDEB, packages), found...)
	}
	all := make([]pipeline.Finding, len(found))
	for i, f := range found {
		all[i] = pipeline.Finding{Key: f.File, What: f.What}
	}
	return all, nil
}
