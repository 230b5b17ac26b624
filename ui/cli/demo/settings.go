package demo

import (
	"fmt"
	"strings"

	"gantry/config"
)

// releaseYAML is the configuration of a demo. home is the address that its own
// server has on this machine.
func releaseYAML(o Options, home string, chosen []target) string {
	var b strings.Builder
	at := func(area string) string { return area }
	if o.Bucket != nil {
		at = o.Bucket.place
	}
	fmt.Fprintf(&b, `# A demonstration release. Everything it needs lies beside this file, so it can
# be changed and thrown away freely. gantry lint checks it, gantry schema prints
# what may be written here.
product: %s

state: %s       # the journal, runs, plans and logs
staging: %s   # what builds deliver: {component}/{series}/{format}/{os}/
served: %s     # what clients read

`, o.Product, at("state"), at("staging"), at("served"))
	if o.Bucket != nil {
		b.WriteString(o.Bucket.yaml())
	}
	fmt.Fprintf(&b, `keys:
  - name: release
    private: file:keys/private.asc   # a reference, never the key itself; env:NAME works too
    # passphrase: env:DEMO_PASSPHRASE  # of a locked key
    public: keys/public.asc          # what clients import

cosign_keys:
  - name: images
    private: file:keys/cosign.key
    password: file:keys/cosign.password
    public: keys/cosign.pub

registries:
  - name: %s
    host: %s   # of this demo alone: gantry demo --serve ADDR starts it
    username: %s
    password: file:%s

`, registryName, home, publisher, publisherPassword)
	if o.Registry != "" {
		fmt.Fprintf(&b, "  - name: %s\n    host: %s   # where images go; docker's own configuration has the password\n\n", ownRegistry, o.Registry)
	}
	b.WriteString("targets:\n")
	for _, t := range chosen {
		t.yaml(&b, o, home)
	}
	fmt.Fprintf(&b, `
# What check.health asks, of the server of this demo.
probes:
  - name: key
    url: http://%[1]s/gpg/public.asc
    contains: BEGIN PGP PUBLIC KEY BLOCK
    skew: 1m
  - name: guarded
    url: http://%[1]s/v2/
    status: 401   # nobody without a key
`, home)
	return b.String()
}

// What release.yaml calls the registry of the demo, and one that was given.
const (
	registryName = "demo"
	ownRegistry  = "images"
)

func (t target) yaml(b *strings.Builder, o Options, home string) {
	fmt.Fprintf(b, "  - name: %s\n    format: %s\n    component: core\n    series: \"2025\"\n", t.name, t.format)
	why := "staged packages join those in production, three versions of each"
	if t.policy == "replace" {
		why = "what is staged is the whole repository"
	}
	switch t.format {
	case config.FormatRPM:
		fmt.Fprintf(b, `    os: %s
    key: release
    path: %s
    url: %s
    policy: %s   # %s
    compress: gz           # read by every client; zstd from EL9 on
`, t.os, t.path(), t.url(o, home), t.policy, why)
	case config.FormatDEB:
		fmt.Fprintf(b, `    suite: %s
    architectures: [amd64]
    key: release
    path: %s   # which the suites share
    url: %s
    policy: %s   # %s
`, t.os, t.path(), t.url(o, home), t.policy, why)
	case config.FormatOCI:
		registry := registryName
		if o.Registry != "" {
			registry = ownRegistry
		}
		fmt.Fprintf(b, `    architectures: [x86_64, arm64]
    key: images
    registry: %s
    repository: %s
`, registry, imageName(o.Product))
		if o.Registry != "" {
			b.WriteString("\n")
			return // the subscribers of the demo's own server mean nothing there
		}
	}
	fmt.Fprintf(b, `    subscriber:
      username: %s
      password: file:%s

`, subscriber, subscriberKey)
}
