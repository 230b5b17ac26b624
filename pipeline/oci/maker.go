package oci

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Make makes the step of an item on an image, by the verb that it uses; see
// repository.Make. A snapshot is an index with one image for each architecture
// of the target, all of them signed. Its pointers are tags: production is
// {series} and {series}-{architecture}, staging is {series}-staging, and
// {series}-{snapshot} keeps every snapshot from being collected by the registry.
//
// Where the target has a url, it is the address that clients pull the image
// from, such as https://registry.example.org/oci/core, and verify via http asks
// there with the subscriber's credentials; via files asks the registry as it is
// configured.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	return repository.Make(cfg, item, config.FormatOCI, trade{})
}

// trade is what images add to what trades have in common.
type trade struct{}

// Traits are what is always so of images. Clients take any digest that a tag
// names, so a tag may go back to what it named before.
func (trade) Traits() repository.Traits {
	return repository.Traits{
		Noun:  "an image",
		Down:  "they go back when they pull the tag again",
		Stale: "docker pull",
	}
}

// Key is the fingerprint of the key that clients verify with.
func (trade) Key(w *repository.World) (string, error) {
	public, err := openPublic(w.Config, w.Target)
	if err != nil {
		return "", err
	}
	return public.Fingerprint(), nil
}

// Ready makes sure that the private half can sign.
func (trade) Ready(w *repository.World) error {
	_, err := openKey(w.Config, w.Target)
	return err
}

// Unfit is a snapshot that was taken over while tags of architectures named other
// images. Otherwise images have nothing that clients compare.
func (trade) Unfit(ctx context.Context, w *repository.World, s *repository.Snapshot) (string, error) {
	_, r, err := open(ctx, w, s)
	if err == nil && r.image.astray() {
		return "tags of architectures named other images when it was taken over", nil
	}
	return "", err
}

// Certify verifies the signatures of a snapshot, as they are in the registry.
func (trade) Certify(ctx context.Context, w *repository.World, s *repository.Snapshot) error {
	at, r, err := open(ctx, w, s)
	if err != nil {
		return err
	}
	public, err := openPublic(w.Config, w.Target)
	if err != nil {
		return err
	}
	return at.certify(ctx, public, r.image.digests())
}

// certify verifies that every manifest is signed.
func (r *registry) certify(ctx context.Context, public *cosign.Public, all []v1.Hash) error {
	for _, h := range all {
		if err := r.signed(ctx, public, h); err != nil {
			return config.Hint(err, "sign it again: gantry refresh")
		}
	}
	return nil
}

// Lasting is nothing: an image is pulled by digest, whatever the tags name.
func (trade) Lasting(*repository.Snapshot) []storage.File { return nil }

// Pruned tells what the registry would not delete.
func (trade) Pruned(_ context.Context, w *repository.World, _ []*repository.Snapshot, p *pipeline.Progress) error {
	at, err := shelfOf(w)
	if err != nil {
		return err
	}
	for _, what := range at.leftovers() {
		p.Logf("%s", what)
	}
	return nil
}

// Compare compares two versions.
func (trade) Compare(a, b string) int { return CompareVersions(a, b) }

func shelfOf(w *repository.World) (*shelf, error) {
	at, ok := w.Served.(*shelf)
	if !ok {
		return nil, fmt.Errorf("target %s is not served by a registry", w.Target.Name)
	}
	return at, nil
}

// open is where a snapshot is, and its record.
func open(ctx context.Context, w *repository.World, s *repository.Snapshot) (*shelf, *record, error) {
	at, err := shelfOf(w)
	if err != nil {
		return nil, nil, err
	}
	r, err := at.record(ctx, s.ID)
	return at, r, err
}
