package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/repository"
	"gantry/pipeline/subscriber"
)

// Read pulls what a pointer's tags name as a client does, and makes sure that it
// is the snapshot: digests from the tag to the layers, and the signature of the
// index and of every image.
func (trade) Read(ctx context.Context, w *repository.World, s *repository.Snapshot, how repository.Reading, p *pipeline.Progress) (pipeline.Evidence, error) {
	at, r, err := open(ctx, w, s)
	if err != nil {
		return nil, err
	}
	public, err := openPublic(w.Config, w.Target)
	if err != nil {
		return nil, err
	}
	from := at.registry
	online := repository.Online(w.Target)
	if how.Via == "http" && !online {
		return nil, config.Hint(fmt.Errorf("target %s has no http address", w.Target.Name), "give it a url in release.yaml, such as https://registry.example.org/core, or verify the registry itself: via: files")
	}
	gate := ""
	if how.Via == "http" || how.Via == "" && online {
		if from, gate, err = outside(ctx, w, at); err != nil {
			return nil, err
		}
		defer from.close()
	}
	found, err := from.pull(ctx, at, r, how, public, p)
	if err != nil {
		return nil, unreachable(err)
	}
	ev := pipeline.Evidence{
		"snapshot": s.ID, "address": from.repo.Name(), "index": r.image.Index.String(), "key": public.Fingerprint(),
		"packages": strconv.Itoa(len(r.image.Platforms)), "read": strconv.Itoa(found.whole), "bytes": strconv.FormatInt(found.bytes, 10),
	}
	for _, p := range r.image.Platforms {
		ev["image "+string(p.Arch)] = p.Digest.String()
	}
	if gate != "" {
		ev["without credentials"] = gate
	}
	at.mu.Lock()
	for tag, digest := range at.replaced {
		ev["replaced "+tag] = digest
	}
	at.replaced = nil
	at.mu.Unlock()
	p.Logf("pulled as a client: %s, %s", from.repo.Name(), r.image.Index)
	return ev, nil
}

// pulled is what a client got.
type pulled struct {
	whole int // layers
	bytes int64
}

// pull reads the tags of a pointer, and what they name.
func (r *registry) pull(ctx context.Context, at *shelf, want *record, how repository.Reading, public *cosign.Public, p *pipeline.Progress) (*pulled, error) {
	tag, err := at.tag(how.Pointer)
	if err != nil {
		return nil, err
	}
	tags := map[string]v1.Hash{tag: want.image.Index}
	if how.Pointer == production {
		for _, p := range want.image.Platforms {
			tags[at.archTag(p.Arch)] = p.Digest
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		digest := tags[tag]
		is, err := r.tagged(ctx, tag)
		if err != nil {
			return nil, err
		}
		if is != digest {
			return nil, config.Hint(fmt.Errorf("%s names %s, not %s", r.repo.Tag(tag), orMissing(is), digest),
				"a flip that was interrupted is completed by the next one; a cache before the registry may hold what was there before")
		}
	}
	images, err := r.verifyIndex(ctx, want.image.Index, public)
	if err != nil {
		return nil, err
	}
	if len(images) != len(want.image.Platforms) {
		return nil, fmt.Errorf("the index %s lists %d images, not %d", want.image.Index, len(images), len(want.image.Platforms))
	}
	var layers []v1.Descriptor
	for n, i := range images {
		if p := want.image.Platforms[n]; i.Digest != p.Digest {
			return nil, fmt.Errorf("the image for %s is %s, not %s", p.Arch, i.Digest, p.Digest)
		} else if err := fits(i.Platform, p.Arch); err != nil {
			return nil, fmt.Errorf("the image for %s: %w", p.Arch, err)
		}
		layers = append(layers, i.Layers...)
	}
	return r.layers(ctx, layers, how.Sample, p)
}

// layers reads layers whole: all, or so many of them; of the others it looks
// that they are there.
func (r *registry) layers(ctx context.Context, all []v1.Descriptor, sample int, p *pipeline.Progress) (*pulled, error) {
	whole := len(all)
	if sample >= 0 {
		whole = min(sample, whole)
	}
	found := &pulled{whole: whole}
	var bytes int64
	for _, d := range all[:whole] {
		bytes += d.Size
	}
	p.Phase("pull", pipeline.Bytes, bytes)
	for n, d := range all {
		p.File(d.Digest.String())
		if n >= whole {
			if size, err := r.there(ctx, d.Digest); err != nil {
				return nil, err
			} else if size != d.Size {
				return nil, fmt.Errorf("the layer %s has %d bytes, not %d", d.Digest, size, d.Size)
			}
			continue
		}
		n, err := r.fetch(ctx, d.Digest, counter(p.Add), d.Size)
		if err != nil {
			return nil, err
		}
		found.bytes += n
	}
	return found, nil
}

// verified is an image that an index lists, its signature verified.
type verified struct {
	Digest   v1.Hash
	Platform v1.Platform
	Layers   []v1.Descriptor
}

// verifyIndex verifies an index as clients do, who have only the public key: that
// it is signed, that every image it lists is there with its digest, signed, and
// for the platform that the index says.
func (r *registry) verifyIndex(ctx context.Context, h v1.Hash, public *cosign.Public) ([]verified, error) {
	if err := r.signed(ctx, public, h); err != nil {
		return nil, err
	}
	listed, err := r.index(ctx, h)
	if err != nil {
		return nil, err
	}
	if len(listed) == 0 {
		return nil, fmt.Errorf("the index %s lists no image", h)
	}
	var all []verified
	for _, d := range listed {
		if err := r.signed(ctx, public, d.Digest); err != nil {
			return nil, err
		}
		m, err := r.read(ctx, d.Digest)
		if err != nil {
			return nil, err
		}
		raw, err := r.blob(ctx, m.Config.Digest, maxConfig)
		if err != nil {
			return nil, err
		}
		var c v1.ConfigFile
		if err := parse(raw, &c); err != nil {
			return nil, fmt.Errorf("the configuration of %s: %w", d.Digest, err)
		}
		is := v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
		if d.Platform == nil || !d.Platform.Equals(is) {
			return nil, fmt.Errorf("the image %s is for %s, the index says otherwise", d.Digest, words(is))
		}
		all = append(all, verified{d.Digest, is, m.Layers})
	}
	return all, nil
}

// outside is the registry as clients reach it, by the target's url and with the
// credentials of a subscriber. Where there are any, it makes sure that nobody
// gets in without them, nor with wrong ones.
func outside(ctx context.Context, w *repository.World, at *shelf) (*registry, string, error) {
	u, err := url.Parse(w.Target.URL)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, "", config.Hint(fmt.Errorf("the url of target %s is no address of an image", w.Target.Name), "write it such as https://registry.example.org/core")
	}
	plain := u.Scheme == "http"
	repo, err := repositoryName(u.Host, strings.Trim(u.Path, "/"), plain)
	if err != nil {
		return nil, "", fmt.Errorf("the url of target %s: %w", w.Target.Name, err)
	}
	as := func(a authn.AuthConfig) *registry {
		return newRegistry(repo, plain, nil, func() (authn.Keychain, error) { return fixed{a}, nil })
	}
	sub := w.Target.Subscriber
	if sub == nil {
		return as(authn.AuthConfig{}), "", nil
	}
	password, err := sub.Password.Reveal(w.Config.Dir())
	if err != nil {
		return nil, "", fmt.Errorf("credentials of %s: %w", w.Target.Name, err)
	}
	tag, err := at.tag(production)
	if err != nil {
		return nil, "", err
	}
	client := &http.Client{Transport: (&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true})}
	where := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/v2/" + repo.RepositoryStr() + "/manifests/" + tag}).String()
	if err := subscriber.Guarded(ctx, client, where, sub.Username); err != nil {
		return nil, "", unreachable(err)
	}
	return as(authn.AuthConfig{Username: sub.Username, Password: string(password)}), "401, as with a wrong password", nil
}

// unreachable says where there was nobody to ask.
func unreachable(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return config.Hint(fmt.Errorf("%w: %w", repository.ErrUnreachable, err), config.HintOf(err))
	}
	return err
}
