package oci

import (
	"context"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/pipeline"
)

// SetBackoff changes the time between attempts until the returned function is
// called.
func SetBackoff(b remote.Backoff) func() {
	was := backoff
	backoff = b
	return func() { backoff = was }
}

// Push sends images and an index of them to a repository, without signatures.
func Push(ctx context.Context, host, path string, images []*Image, p *pipeline.Progress) error {
	repo, err := repositoryName(host, path, true)
	if err != nil {
		return err
	}
	r := newRegistry(repo, true, nil, func() (authn.Keychain, error) { return fixed{}, nil })
	defer r.close()
	if err := r.push(ctx, images, p); err != nil {
		return err
	}
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, i := range images {
		m.Manifests = append(m.Manifests, v1.Descriptor{MediaType: i.MediaType, Size: int64(len(i.Manifest)), Digest: i.Digest, Platform: &i.Platform})
	}
	d, err := newDocument(m, types.OCIImageIndex)
	if err != nil {
		return err
	}
	return r.put(ctx, repo.Tag("1"), d)
}

// Trusts tells whether the password of a registry may be sent to an address.
func Trusts(host, address string) bool {
	repo, err := repositoryName(host, "demo/core", false)
	u, bad := url.Parse(address)
	return err == nil && bad == nil && (&registry{repo: repo}).trusts(u)
}

// SetPatience changes how long a registry may take to begin an answer until the
// returned function is called.
func SetPatience(d time.Duration) func() {
	was := patience
	patience = d
	return func() { patience = was }
}
