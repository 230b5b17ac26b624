package oci

import (
	"fmt"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// Clients are the files for clients of an image: how to pull and verify it, and
// the key.
func Clients(cfg *config.Release, t *config.Target) ([]pipeline.ClientFile, error) {
	public, err := openPublic(cfg, t)
	if err != nil {
		return nil, err
	}
	address, err := address(cfg, t)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s, for %s. The tag moves with every release; each architecture has one\n# of its own, and a digest never changes what it names.\n", t.Component, architectures(t))
	if t.Subscriber != nil {
		fmt.Fprintf(&b, "\n# Once on each machine; your key is the password:\ndocker login --username %s %s\n", t.Subscriber.Username, strings.SplitN(address, "/", 2)[0])
	}
	image := address + ":" + string(t.Series)
	fmt.Fprintf(&b, "\n# Verify, with the key that you were given by another way than the image:\ncosign verify --key cosign.pub --insecure-ignore-tlog %s\n", image)
	fmt.Fprintf(&b, "\n# Pull:\ndocker pull %s\n", image)
	for _, a := range t.Architectures {
		fmt.Fprintf(&b, "docker pull %s-%s\n", image, a)
	}
	fmt.Fprintf(&b, "\n# Before it is released, for testers:\ndocker pull %s-%s\n", image, staging)
	return []pipeline.ClientFile{
		{Name: string(t.Name) + ".txt", Text: b.String(), Note: "how to pull and verify the image"},
		{Name: "cosign.pub", Text: string(public.PEM()), Note: "the public key, SHA-256 " + public.Fingerprint()},
	}, nil
}

// address is the name that clients pull the image by: that of the target's url,
// or that of the repository itself.
func address(cfg *config.Release, t *config.Target) (string, error) {
	if _, name, ok := strings.Cut(t.URL, "://"); ok {
		return strings.Trim(name, "/"), nil
	}
	r, err := openRegistry(cfg, t, nil)
	if err != nil {
		return "", err
	}
	return r.repo.Name(), nil
}

func architectures(t *config.Target) string {
	var all []string
	for _, a := range t.Architectures {
		all = append(all, string(a))
	}
	return strings.Join(all, " and ")
}
