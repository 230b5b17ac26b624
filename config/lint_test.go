package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

const servers = `product: packyard
cosign_keys:
  - {name: images, private: "file:cosign.key", password: env:GANTRY_TEST_NONE, public: cosign.pub}
targets:
  - {name: core-image, format: oci, component: core, series: "2025", architectures: [amd64], key: images, registry: zot}
stores:
  - {name: rustfs, bucket: staging, access_key: "file:access", secret_key: "file:secret", session_token: "file:token"}
registries:
  - {name: zot, host: "localhost:5000", username: u, password: "file:password"}
tunnels:
  - {name: vm, host: pkg.example.org, user: deploy, key: "file:id", passphrase: "file:phrase", known_hosts: hosts}
  - {name: agent, host: pkg.example.org, user: deploy}
forges:
  - {name: github, repository: a/b, token: "file:github"}
`

func TestLintServers(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	half, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	good := map[string]string{
		"cosign.key": block("EC PRIVATE KEY", whole), "cosign.pub": block("PUBLIC KEY", half),
		"access": "a", "secret": "s", "token": "t", "password": "p", "id": block("OPENSSH PRIVATE KEY", []byte("k")), "phrase": "p",
		"hosts": "pkg.example.org ssh-ed25519 AAAA\n", "github": "g",
	}
	const agent = "tunnel agent: it has no key, and no agent is running: the environment has no SSH_AUTH_SOCK"
	for name, tc := range map[string]struct {
		change map[string]string // content by name; empty is no such file
		agent  string
		want   []string
	}{
		"all is there": {nil, "/run/agent", nil},
		"no agent":     {nil, "", []string{agent}},
		"nothing": {map[string]string{"cosign.key": "", "cosign.pub": "", "access": "", "secret": "", "token": "", "password": "", "id": "", "phrase": "", "hosts": "", "github": ""}, "", []string{
			"cosign key images: secret file:cosign.key", "cosign key images: read the public key",
			"store rustfs: secret file:access", "store rustfs: secret file:secret", "store rustfs: secret file:token",
			"registry zot: secret file:password",
			"tunnel vm: secret file:id", "tunnel vm: secret file:phrase", "tunnel vm: read the known hosts", agent,
			"forge github: secret file:github",
		}},
		"placeholders": {map[string]string{"cosign.key": "soon", "cosign.pub": "# put the key here", "id": "ssh-ed25519 AAAA", "hosts": "\n"}, "x", []string{
			"cosign key images: file:cosign.key holds no PEM private key", "cosign key images: cosign.pub is a placeholder, not a public key",
			"tunnel vm: file:id holds no SSH private key", "tunnel vm: read the known hosts",
		}},
		"private as public": {map[string]string{"cosign.pub": good["cosign.key"]}, "x", []string{"cosign key images: cosign.pub holds a private key, and clients are given it"}},
		"no key in it":      {map[string]string{"cosign.pub": block("PUBLIC KEY", []byte("soon"))}, "x", []string{"cosign key images: cosign.pub holds no public key that can be read"}},
		"certificate":       {map[string]string{"cosign.pub": block("CERTIFICATE", half)}, "x", []string{"cosign key images: cosign.pub is a placeholder, not a public key"}},
		"as cosign writes":  {map[string]string{"cosign.key": block("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{}"))}, "x", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", tc.agent)
			t.Setenv("GANTRY_TEST_NONE", "p")
			r, err := load(t, servers)
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range good {
				if changed, ok := tc.change[file]; ok {
					text = changed
				}
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(r.Dir(), file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, f := range config.Lint(r) {
				if f.Hint == "" {
					t.Errorf("no hint: %+v", f)
				}
				what := f.What
				if !strings.HasPrefix(what, "it has no key") {
					what, _, _ = strings.Cut(what, ": /")
					for _, cut := range []string{": open", ": stat", ": asn1", ": hosts", ": x509"} {
						what, _, _ = strings.Cut(what, cut)
					}
				}
				got = append(got, f.Where+": "+what)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Places on stores are no directories to look at.
func TestLintStores(t *testing.T) {
	r, err := load(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.Dir(), "store:staging"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Lint(r) {
		if f.Where == "staging" || f.Where == "served" {
			t.Errorf("found %+v", f)
		}
	}
}

func TestAdvice(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"tunnel":             {"", "", nil},
		"loopback":           {"secret_key: env:S, tunnel: vm", "secret_key: env:S", nil},
		"plain http":         {`"http://localhost:9000/", bucket: Packyard_1, access_key: env:A, secret_key: env:S, tunnel: vm`, `"http://rustfs:9000", bucket: Packyard_1`, []string{"store rustfs: its endpoint is plain http"}},
		"https":              {`"http://localhost:9000/", bucket: Packyard_1, access_key: env:A, secret_key: env:S, tunnel: vm`, `"https://rustfs:9000", bucket: Packyard_1`, nil},
		"insecure, tunnel":   {`host: "localhost:5000"`, `host: "zot:5000", insecure: true`, nil},
		"insecure":           {`host: "localhost:5000", tunnel: vm`, `host: "zot:5000", insecure: true`, []string{"registry zot: it is insecure"}},
		"insecure, loopback": {`host: "localhost:5000", tunnel: vm`, `host: "[::1]:5000", insecure: true`, nil},
		"valid for a day":    {"suite: noble,", "suite: noble, valid_for: 1d,", []string{"target core-noble: its valid_for is under two days"}},
		"valid for two":      {"suite: noble,", "suite: noble, valid_for: 2d,", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(whole, tc.old) {
				t.Fatalf("the whole file holds no %q", tc.old)
			}
			r, err := load(t, strings.Replace(whole, tc.old, tc.new, 1))
			if err != nil {
				t.Fatal(err)
			}
			want := append([]string{
				"target core-el9: no url", "target core-noble: no url", "target core-jammy: no url",
			}, tc.want...)
			if len(tc.want) > 0 && strings.HasPrefix(tc.want[0], "target core-noble") {
				want = []string{want[0], want[1], tc.want[0], want[2]}
			}
			var got []string
			for _, f := range config.Advice(r) {
				what, _, _ := strings.Cut(f.What, ":")
				got = append(got, f.Where+": "+what)
				if f.Hint == "" {
					t.Errorf("no hint: %+v", f)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	r, err := load(t, whole+`commands:
  - {name: c, argv: ["true"], secrets: {Z: env:Z, A: env:Y}}
probes:
  - {name: p, url: "http://h/", username: u, password: env:P}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range r.Secrets() {
		got = append(got, s.Path+" "+s.Of+" "+s.Reference())
	}
	want := []string{
		"keys[0].private key lts file:keys/lts.key",
		"commands[0].secrets.A command c env:Y", "commands[0].secrets.Z command c env:Z",
		"probes[0].password probe p env:P",
		"cosign_keys[0].private cosign key images file:keys/cosign.key",
		"stores[0].access_key store rustfs env:A", "stores[0].secret_key store rustfs env:S",
		"forges[0].token forge github env:T",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A product may be called what YAML takes for something else.
func TestExampleNames(t *testing.T) {
	for _, name := range []config.Name{"packyard", "2025", "true", "null", "1_0", "NAME"} {
		if r, err := load(t, string(config.Example(name))); err != nil || r.Product != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
