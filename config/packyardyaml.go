package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

const packyardTop = `# release.yaml: %s, made of %s by gantry init.
# Relative paths start here. gantry lint checks it. Yours to look over: the host
# pkg.example.org, below, and where keys are.
product: %s

state: state          # the journal, logs and plans: back it up
staging: store:rustfs # as packyard has it: {component}/{series}/{format}/{os}
served: served        # what the web server serves as /rpm/ and /deb/

keys:
  - name: lts # the secrets of packyard's workflows, under their names there
    private: env:GPG_PRIVATE_KEY
    passphrase: env:GPG_PASSPHRASE
    public: keys/lts.asc # as https://pkg.example.org/gpg/lts.asc

cosign_keys:
  - name: images
    private: env:COSIGN_PRIVATE_KEY
    password: env:COSIGN_PASSWORD
    public: keys/cosign.pub # as https://pkg.example.org/gpg/cosign.pub

# RustFS and Zot listen on loopback of packyard's host.
stores:
  - name: rustfs
    endpoint: http://localhost:9000
    bucket: staging
    access_key: env:RUSTFS_ACCESS_KEY
    secret_key: env:RUSTFS_SECRET_KEY
    tunnel: vm

registries:
  - name: zot
    host: localhost:5000
    tunnel: vm

tunnels:
  - name: vm
    host: pkg.example.org
    user: deploy
    # key: file:keys/deploy # without it, the agent is asked

`

const packyardEnd = `
# What packyard's health-check.sh looks at from outside.
probes:
  - name: key
    url: https://pkg.example.org/gpg/lts.asc
    contains: BEGIN PGP PUBLIC KEY BLOCK
    certificate: 14d
    skew: 1m
  - name: locked
    url: https://pkg.example.org/rpm/
    status: 401

# Packyard's own promotions, where an item shall dispatch them instead.
# forges:
#   - name: github
#     repository: example/packyard
#     token: env:GANTRY_GITHUB_TOKEN
#     secrets: [HOST, SSH_PRIVATE_KEY, SSH_KNOWN_HOST, RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY, GPG_PRIVATE_KEY, GPG_KEY_ID, GPG_PASSPHRASE, COSIGN_PRIVATE_KEY, COSIGN_PASSWORD]
# workflows:
#   - name: promote-rpm
#     forge: github
#     file: promote-rpm.yml
#     inputs: {component: "{component}", %[1]s: "{series}", os: "{os}"}
#   - name: promote-deb
#     forge: github
#     file: promote-deb.yml
#     inputs: {component: "{component}", %[1]s: "{series}", distro: "{suite}"}
#   - name: promote-oci
#     forge: github
#     file: promote-oci.yml
#     inputs: {component: "{component}", %[1]s: "{series}"}
`

// render writes the release.yaml. Every value in it has been checked for what it
// is, so that none can be read as something else.
func (p *packyard) render(file string, name Name, of packyardFile) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, packyardTop, name, Inert(filepath.Base(file)), word(name))
	input := "year" // of workflows; the later packyard, whose API was asked, says series
	guessed, created := true, false
	for _, c := range of.Components {
		created = created || c.Created != ""
		if c.Series != nil {
			input, guessed = "series", false
		}
	}
	if guessed {
		b.WriteString("# Packyard's file names components alone. Series, operating systems and suites\n# are those that packyard itself sets up: strike out what you do not build.\n")
	} else {
		b.WriteString("# Packyard keeps no suites for its components: these are those that it knows.\n# Strike out what you do not build.\n")
	}
	if created {
		b.WriteString("# Not taken over: created_at.\n")
	}
	b.WriteString("targets:\n")
	for i, t := range p.targets {
		if i > 0 {
			b.WriteByte('\n')
		}
		t.render(&b)
	}
	fmt.Fprintf(&b, packyardEnd, input)
	return b.Bytes()
}

func (t *packyardTarget) render(b *bytes.Buffer) {
	fmt.Fprintf(b, "  - name: %s\n    format: %s\n    component: %s\n    series: %q\n", word(t.Name), t.Format, word(t.Component), t.Series)
	url := "https://pkg.example.org/" + string(t.Format) + "/" + string(t.Component) + "/" + string(t.Series)
	switch t.Format {
	case FormatRPM:
		fmt.Fprintf(b, "    os: %s\n    key: %s\n    url: %s/%s\n", t.OS, t.Key, url, t.OS)
	case FormatDEB:
		fmt.Fprintf(b, "    suite: %s\n    architectures: [%s]\n    key: %s\n    url: %s\n", t.Suite, t.Architectures[0], t.Key, url)
	case FormatOCI:
		fmt.Fprintf(b, "    architectures: [%s, %s]\n    key: %s\n    registry: %s\n", t.Architectures[0], t.Architectures[1], t.Key, t.Registry)
		fmt.Fprintf(b, "    repository: %s # as promote-oci.yml pushes it\n", t.Repository)
		return
	}
	if t.private {
		scope := strings.ReplaceAll(strings.ToUpper(string(t.Component)), "-", "_")
		fmt.Fprintf(b, "    subscriber: # the component is private\n      username: subscriber\n      password: env:GANTRY_SUBSCRIBER_KEY_%s\n", scope)
	}
}
