package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

const whole = `product: packyard
state: store:rustfs/state
staging: store:staging
served: store:rustfs/served
keys:
  - {name: lts, private: "file:keys/lts.key", public: keys/lts.asc}
cosign_keys:
  - {name: images, private: "file:keys/cosign.key", public: keys/cosign.pub}
targets:
  - {name: core-el9, format: rpm, component: core, series: "2025", os: el9-x86_64, key: lts}
  - {name: core-noble, format: deb, component: core, series: "2025", suite: noble, architectures: [amd64, arm64], key: lts}
  - {name: core-jammy, format: deb, component: core, series: "2025", suite: jammy, architectures: [amd64], key: lts}
  - {name: core-image, format: oci, component: core, series: "2025", architectures: [x86_64, arm64], key: images, registry: zot}
stores:
  - {name: rustfs, endpoint: "http://localhost:9000/", bucket: Packyard_1, access_key: env:A, secret_key: env:S, tunnel: vm}
  - {name: staging, bucket: staging}
registries:
  - {name: zot, host: "localhost:5000", tunnel: vm}
tunnels:
  - {name: vm, host: pkg.example.org, user: deploy, via: jump}
  - {name: jump, host: "[2001:db8::1]:2222", user: deploy}
forges:
  - {name: github, repository: no42-org/packyard, token: env:T, secrets: [HOST, gpg_key_id]}
workflows:
  - {name: promote-rpm, forge: github, file: promote-rpm.yml, inputs: {component: "{component}", json: "{\"a\": {}}"}}
`

func TestServerDefaults(t *testing.T) {
	r, err := load(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"deb":        r.Targets[1].Path == "deb/core/2025" && r.Targets[1].Origin == "packyard" && r.Targets[1].Label == "packyard" && r.Targets[1].ValidFor == 0 && r.Targets[1].Signatures == "",
		"deb shares": r.Targets[2].Path == "deb/core/2025",
		"oci":        r.Targets[3].Repository == "core" && r.Targets[3].Path == "" && r.Targets[3].Policy == "" && r.Targets[3].Keep == 0 && r.Targets[3].Compress == "" && r.Targets[3].Snapshots == 5,
		"store":      r.Stores[0].Endpoint == "http://localhost:9000" && r.Stores[0].PathStyle && r.Stores[0].Region == "us-east-1" && r.Stores[0].Checksums == config.ChecksumsAlways,
		"AWS":        !r.Stores[1].PathStyle && r.Stores[1].Endpoint == "",
		"forge":      r.Forges[0].Kind == config.GitHub && r.Forges[0].API == "https://api.github.com" && r.Forges[0].Secrets[1] == "GPG_KEY_ID",
		"workflow":   r.Workflows[0].Ref == "main" && r.Workflows[0].Timeout == config.Duration(2*time.Hour),
	} {
		if !ok {
			t.Errorf("%s: %+v", what, r)
		}
	}
	for place, want := range map[string]string{
		r.State: "rustfs state", r.Staging: "staging ", r.Served: "rustfs served", "state": "", "store:none/x": "", "./store:rustfs": "",
	} {
		got := ""
		if s, prefix, ok := r.StoreOf(place); ok {
			got = string(s.Name) + " " + prefix
		}
		if got != want {
			t.Errorf("%s is %q, want %q", place, got, want)
		}
	}
	for name, ok := range map[string]bool{
		"store": found(r.Store("rustfs")) && !found(r.Store("vm")), "registry": found(r.Registry("zot")), "tunnel": found(r.Tunnel("jump")),
		"forge": found(r.Forge("github")), "workflow": found(r.Workflow("promote-rpm")), "cosign key": found(r.CosignKey("images")) && !found(r.CosignKey("lts")),
	} {
		if !ok {
			t.Errorf("%s is not found", name)
		}
	}
}

func found[T any](_ *T, ok bool) bool { return ok }

// Each row changes the whole file: old is replaced by new. want are whole lines.
func TestServerErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"format without its fields": {`suite: noble, architectures: [amd64, arm64], `, ``, []string{
			`release.yaml:11:5: suite is missing, write suite: ...`,
			`release.yaml:11:5: architectures is missing, write architectures: ...`,
		}},
		"fields of others": {`os: el9-x86_64, key`, `os: el9-x86_64, suite: x, architectures: [x86_64], registry: zot, repository: r, origin: o, label: l, valid_for: 7d, key`, []string{
			`release.yaml:10:91: targets of format rpm have no suite, leave it out`,
			`release.yaml:10:109: targets of format rpm have no architectures, leave it out`,
			`release.yaml:10:129: targets of format rpm have no registry, leave it out`,
			`release.yaml:10:146: targets of format rpm have no repository, leave it out`,
			`release.yaml:10:157: targets of format rpm have no origin, leave it out`,
			`release.yaml:10:167: targets of format rpm have no label, leave it out`,
			`release.yaml:10:181: targets of format rpm have no valid_for, leave it out`,
		}},
		"rpm without os": {`os: el9-x86_64, `, ``, []string{
			`release.yaml:10:5: os is missing, write os: ...`,
		}},
		"deb has no os": {`suite: jammy,`, `suite: jammy, os: el9-x86_64, signatures: both,`, []string{
			`release.yaml:12:88: targets of format deb have no os, leave it out`,
			`release.yaml:12:112: targets of format deb have no signatures, leave it out`,
		}},
		"image is no tree": {`registry: zot}`, `registry: zot, path: a, url: "http://h/", compress: gz, signatures: both, policy: replace, keep: 2, expect: [a], valid_for: 2d}`, []string{
			`release.yaml:13:136: targets of format oci have no path, leave it out`,
			`release.yaml:13:167: targets of format oci have no compress, leave it out`,
			`release.yaml:13:183: targets of format oci have no signatures, leave it out`,
			`release.yaml:13:197: targets of format oci have no policy, leave it out`,
			`release.yaml:13:212: targets of format oci have no keep, leave it out`,
			`release.yaml:13:223: targets of format oci have no expect, leave it out`,
			`release.yaml:13:239: targets of format oci have no valid_for, leave it out`,
		}},
		"image without registry": {`, registry: zot`, ``, []string{
			`release.yaml:13:5: registry is missing, write registry: ...`,
		}},
		"image of a missing registry": {`registry: zot}`, `registry: zott}`, []string{
			`release.yaml:13:125: no registry zott, registries are zot`,
		}},
		"deb architectures": {`architectures: [amd64, arm64], key: lts`, `architectures: [amd64, amd64, all, any, source, x86_64, a_b, x-y], key: lts`, []string{
			`release.yaml:11:107: amd64 comes twice, keep one of them`,
			`release.yaml:11:114: all is not an architecture, leave it out: packages of architecture all join every other one`,
			`release.yaml:11:119: any is not an architecture, leave it out: packages of architecture all join every other one`,
			`release.yaml:11:124: source is not an architecture, leave it out: packages of architecture all join every other one`,
			`release.yaml:11:132: Debian has no architecture x86_64, write amd64`,
			`release.yaml:11:140: Debian has no architecture a_b, write one such as amd64 or arm64`,
			`release.yaml:11:145: "x-y" is not an architecture, write one such as amd64 or x86_64`,
		}},
		"no architecture": {`architectures: [amd64, arm64], key: lts`, `architectures: [], key: lts`, []string{
			`release.yaml:11:99: no architecture, write a list such as [amd64, arm64]`,
		}},
		"image architectures": {`architectures: [x86_64, arm64]`, `architectures: [x86_64, amd64, arm64, aarch64, staging, arm64]`, []string{
			`release.yaml:13:94: amd64 is the architecture of another name before it, keep one of them`,
			`release.yaml:13:108: aarch64 is the architecture of another name before it, keep one of them`,
			`release.yaml:13:117: staging is the tag of what is not in production yet, write one such as amd64 or arm64`,
			`release.yaml:13:126: arm64 comes twice, keep one of them`,
		}},
		"kind of key": {`key: images`, `key: lts`, []string{
			`release.yaml:13:107: lts is an OpenPGP key, and images are signed with a cosign key, name one of cosign_keys`,
		}},
		"kind of key, other way": {`os: el9-x86_64, key: lts`, `os: el9-x86_64, key: images`, []string{
			`release.yaml:10:89: images is a cosign key, and rpm repositories are signed with an OpenPGP key, name one of keys`,
		}},
		"cosign key": {`key: images`, `key: image`, []string{
			`release.yaml:13:107: no cosign key image, cosign keys are images`,
		}},
		"no cosign key": {"cosign_keys:\n  - {name: images, private: \"file:keys/cosign.key\", public: keys/cosign.pub}\n", ``, []string{
			`release.yaml:11:107: no cosign key images, there are no cosign keys yet: write one under cosign_keys`,
		}},
		"cosign key twice": {"targets:\n", "  - {name: images, private: \"file:a\", public: ./a}\ntargets:\n", []string{
			`release.yaml:9:12: cosign key images comes twice, first on line 8, give each its own name`,
			`release.yaml:9:47: this is the file of the private key, and clients are given it, export the public half: cosign public-key --key`,
		}},
		"deb values": {`suite: jammy,`, `suite: jammy, origin: "", label: " a", valid_for: 59m, expect: [a, a, "b c", 1],`, []string{
			`release.yaml:12:92: "" cannot be written into a Release, write a few words on one line`,
			`release.yaml:12:103: " a" cannot be written into a Release, write a few words on one line`,
			`release.yaml:12:120: clients would refuse the suite within the hour, write 1h or more; some days leave time to refresh it`,
			`release.yaml:12:137: a comes twice, keep one of them`,
			`release.yaml:12:140: "b c" is not the name of a package, write the name alone, without version and architecture`,
			`release.yaml:12:147: 1 is a number, not a text, write it in quotes: "1"`,
		}},
		"same suite": {`suite: jammy,`, `suite: noble,`, []string{
			`release.yaml:12:5: suite noble of deb/core/2025 is that of the target on line 11, let suite or path differ`,
			`release.yaml:12:5: core-jammy is staged in the same place as on line 11: core/2025/deb/noble-amd64, let component, series or suite differ`,
		}},
		"same suite, staged apart": {`series: "2025", suite: jammy,`, `series: "2026", path: deb/core/2025, suite: noble,`, []string{
			`release.yaml:12:76: suite noble of deb/core/2025 is that of the target on line 11, let suite or path differ`,
		}},
		"suites meet": {`suite: jammy,`, `suite: noble-staging,`, []string{
			`release.yaml:12:5: suites noble-staging and noble of deb/core/2025 meet in dists, where gantry keeps the staged one of each as SUITE-staging, let path differ`,
		}},
		"deb below deb": {`suite: jammy,`, `suite: jammy, path: deb/core/2025/jammy,`, []string{
			`release.yaml:12:90: deb/core/2025/jammy overlaps the target on line 11, which is served at deb/core/2025, give each target a directory of its own`,
		}},
		"deb around rpm": {`suite: jammy,`, `suite: jammy, path: rpm,`, []string{
			`release.yaml:12:90: rpm overlaps the target on line 10, which is served at rpm/core/2025/el9-x86_64, give each target a directory of its own`,
		}},
		"suite and architecture": {`suite: jammy, architectures: [amd64]`, `suite: noble, path: x, architectures: [i386, arm64, amd64]`, []string{
			`release.yaml:12:5: core-jammy is staged in the same place as on line 11: core/2025/deb/noble-arm64, core/2025/deb/noble-amd64, let component, series or suite differ`,
		}},
		"same tags": {"stores:\n", "  - {name: b, format: oci, component: b, series: \"2025\", architectures: [amd64], key: images, registry: zot, repository: core}\nstores:\n", []string{
			`release.yaml:14:5: the tag 2025 of core is moved by the target on line 13, let series or repository differ`,
		}},
		"tags meet": {"stores:\n", "  - {name: b, format: oci, component: core, series: \"2025-arm64\", architectures: [amd64], key: images, registry: zot}\nstores:\n", []string{
			`release.yaml:14:5: the tag 2025-arm64 of core is moved by the target on line 13, let series or repository differ`,
		}},
		"repository": {`registry: zot}`, `registry: zot, repository: Core/X}`, []string{
			`release.yaml:13:142: "Core/X" cannot be the name of an image, write repository: in lower case, such as packyard/core`,
		}},
		"repository by default": {`component: core, series: "2025", architectures: [x86_64`, `component: Core, series: "2025", architectures: [x86_64`, []string{
			`release.yaml:13:5: "Core" cannot be the name of an image, write repository: in lower case, such as packyard/core`,
		}},
		"state on no store": {`store:rustfs/state`, `store:rustf/state`, []string{
			`release.yaml:2:8: no store rustf, stores are rustfs, staging`,
		}},
		"state on nothing": {`store:rustfs/state`, `"store:"`, []string{
			`release.yaml:2:8: "store:" names no store, write store:NAME or store:NAME/PREFIX, where stores has NAME`,
		}},
		"state by URL": {`store:rustfs/state`, `s3://bucket/state`, []string{
			`release.yaml:2:8: "s3://bucket/state" is neither a directory nor a store, write store:NAME or store:NAME/PREFIX, where stores has NAME`,
		}},
		"prefix": {`store:rustfs/state`, `store:rustfs/a/../b`, []string{
			`release.yaml:2:8: "store:rustfs/a/../b" has a prefix that is not plain, write one such as store:NAME/packyard/state, without .. and without / at its ends`,
		}},
		"prefix, end": {`store:rustfs/state`, `store:rustfs/`, []string{
			`release.yaml:2:8: "store:rustfs/" has a prefix that is not plain, write one such as store:NAME/packyard/state, without .. and without / at its ends`,
		}},
		"same prefix": {`store:rustfs/state`, `store:rustfs/served`, []string{
			`release.yaml:4:9: state (store:rustfs/served) and served (store:rustfs/served) overlap, give each a prefix of its own, neither within the other`,
		}},
		"nested prefix": {`store:rustfs/state`, `store:rustfs`, []string{
			`release.yaml:4:9: state (store:rustfs) and served (store:rustfs/served) overlap, give each a prefix of its own, neither within the other`,
		}},
		"same bucket": {`{name: staging, bucket: staging}`, `{name: staging, endpoint: "http://LOCALHOST:9000", bucket: Packyard_1, tunnel: vm}`, []string{
			`release.yaml:3:10: state (store:rustfs/state) and staging (store:staging) overlap, give each a prefix of its own, neither within the other`,
			`release.yaml:4:9: staging (store:staging) and served (store:rustfs/served) overlap, give each a prefix of its own, neither within the other`,
		}},
		"other server": {`{name: staging, bucket: staging}`, `{name: staging, endpoint: "http://localhost:9000", bucket: Packyard_1, tunnel: none}`, []string{
			`release.yaml:16:84: no tunnel none, tunnels are vm, jump`,
		}},
		"endpoint": {`http://localhost:9000/`, `https://u:hunter2@h/`, []string{
			`release.yaml:15:30: a URL holds no credentials here, write them apart, by reference`,
		}},
		"endpoint, scheme": {`http://localhost:9000/`, `localhost:9000`, []string{
			`release.yaml:15:30: "localhost:9000" does not begin with http:// or https://, write the whole URL`,
		}},
		"bucket by path": {`bucket: Packyard_1`, `bucket: a/b`, []string{
			`release.yaml:15:64: "a/b" cannot be the name of a bucket, write letters, digits and . - _`,
		}},
		"bucket by host": {`bucket: staging`, `bucket: Staging_1`, []string{
			`release.yaml:16:29: "Staging_1" cannot be the name of a bucket, write 3 to 63 lower case letters, digits, dots and dashes`,
		}},
		"bucket, short": {`bucket: staging`, `bucket: st`, []string{
			`release.yaml:16:29: "st" cannot be the name of a bucket, write 3 to 63 lower case letters, digits, dots and dashes`,
		}},
		"bucket, dots": {`bucket: staging`, `bucket: a..b`, []string{
			`release.yaml:16:29: "a..b" cannot be the name of a bucket, write 3 to 63 lower case letters, digits, dots and dashes`,
		}},
		"bucket, address": {`bucket: staging`, `bucket: 10.0.0.1`, []string{
			`release.yaml:16:29: "10.0.0.1" cannot be the name of a bucket, write 3 to 63 lower case letters, digits, dots and dashes`,
		}},
		"region": {`bucket: staging`, `bucket: staging, region: "eu central", checksums: never, path_style: maybe`, []string{
			`release.yaml:16:46: "eu central" is not a region, write one such as eu-central-1, or leave the key out where the server has none`,
			`release.yaml:16:71: "never" is none of the choices, write always or required`,
			`release.yaml:16:90: true or false is wanted here, this is a text, write true or false`,
		}},
		"half a credential": {`access_key: env:A, `, ``, []string{
			`release.yaml:15:5: access_key and secret_key go together, write both or neither`,
		}},
		"token alone": {`bucket: staging`, `bucket: staging, session_token: env:X`, []string{
			`release.yaml:16:53: a session token goes with access_key and secret_key, write them too, or leave it to the SDK's own chain`,
		}},
		"literal key": {`access_key: env:A`, `access_key: hunter2`, []string{
			`release.yaml:15:88: a secret is given by reference, never in the file itself, write env:NAME or file:PATH`,
		}},
		"no tunnel": {`secret_key: env:S, tunnel: vm`, `secret_key: env:S, tunnel: wm`, []string{
			`release.yaml:15:122: no tunnel wm, tunnels are vm, jump`,
		}},
		"registry host": {`host: "localhost:5000", tunnel: vm`, `host: "https://h/v2", tunnel: none, username: "a:b"`, []string{
			`release.yaml:18:5: username and password go together, write both or neither`,
			`release.yaml:18:23: "https://h/v2" is not a host, write host or host:port, such as registry.example.org:5000, without https:// and without a path`,
			`release.yaml:18:47: no tunnel none, tunnels are vm, jump`,
			`release.yaml:18:63: this cannot be a username, write one without colons and control characters`,
		}},
		"registry port": {`host: "localhost:5000"`, `host: "localhost:70000"`, []string{
			`release.yaml:18:23: "localhost:70000" is not a host, write host or host:port, such as registry.example.org:5000, without https:// and without a path`,
		}},
		"registry address": {`host: "localhost:5000"`, `host: "2001:db8::1"`, []string{
			`release.yaml:18:23: "2001:db8::1" is not a host, write host or host:port, such as registry.example.org:5000, without https:// and without a path`,
		}},
		"tunnel": {`user: deploy, via: jump`, `user: "a b", passphrase: env:P, known_hosts: ~/.ssh/known_hosts, via: hop`, []string{
			`release.yaml:20:45: "a b" cannot be a user, write the name to log in with`,
			`release.yaml:20:64: there is no key that this is the passphrase of, write key, or leave both to the agent`,
			`release.yaml:20:84: ~ is not read here, write the whole path, or leave the key out for ~/.ssh/known_hosts`,
			`release.yaml:20:109: no tunnel hop, tunnels are vm, jump`,
		}},
		"tunnel to itself": {`user: deploy}`, `user: deploy, via: jump}`, []string{
			`release.yaml:21:65: the tunnel leads through itself: jump via jump, let via name a host that is nearer`,
		}},
		"tunnels in a ring": {`user: deploy}`, `user: deploy, via: vm}`, []string{
			`release.yaml:20:58: the tunnel leads through itself: vm via jump via vm, let via name a host that is nearer`,
		}},
		"forge": {`repository: no42-org/packyard`, `repository: packyard, kind: gitlab`, []string{
			`release.yaml:23:32: "packyard" is not a repository, write owner/name, without .git`,
			`release.yaml:23:48: "gitlab" is none of the choices, write github or forgejo`,
		}},
		"forge repository": {`repository: no42-org/packyard`, `repository: no42-org/packyard.git`, []string{
			`release.yaml:23:32: "no42-org/packyard.git" is not a repository, write owner/name, without .git`,
		}},
		"forgejo without api": {`repository: no42-org/packyard`, `repository: a/b, kind: forgejo`, []string{
			`release.yaml:23:5: api is missing, write the base URL of the API, such as https://codeberg.org/api/v1`,
		}},
		"api in clear": {`repository: no42-org/packyard`, `repository: a/b, kind: forgejo, api: "http://forge.example.org/api/v1"`, []string{
			`release.yaml:23:57: a token would cross the network in clear, write https://`,
		}},
		"api, query": {`repository: no42-org/packyard`, `repository: a/b, api: "https://h/?token=hunter2"`, []string{
			`release.yaml:23:42: a URL here has no ? and no #, leave them out`,
		}},
		"secrets": {`secrets: [HOST, gpg_key_id]`, `secrets: [HOST, host, "A B", GITHUB_TOKEN, 1]`, []string{
			`release.yaml:23:81: HOST comes twice, keep one of them`,
			`release.yaml:23:87: "A B" cannot be the name of an Actions secret, write the name alone: letters, digits and _, not beginning with GITHUB_`,
			`release.yaml:23:94: "GITHUB_TOKEN" cannot be the name of an Actions secret, write the name alone: letters, digits and _, not beginning with GITHUB_`,
			`release.yaml:23:108: 1 is a number, not a text, write it in quotes: "1"`,
		}},
		"workflow": {`forge: github, file: promote-rpm.yml`, `forge: gitlab, file: .github/workflows/promote-rpm.yml, ref: "a..b"`, []string{
			`release.yaml:25:32: no forge gitlab, forges are github`,
			`release.yaml:25:46: ".github/workflows/promote-rpm.yml" is not the file name of a workflow, write one such as promote-rpm.yml, without its directory`,
			`release.yaml:25:86: "a..b" is not a branch or tag, write one such as main or v1.2`,
		}},
		"workflow ref": {`file: promote-rpm.yml`, `file: a.txt, ref: -x`, []string{
			`release.yaml:25:46: "a.txt" is not the file name of a workflow, write one such as promote-rpm.yml, without its directory`,
			`release.yaml:25:58: "-x" is not a branch or tag, write one such as main or v1.2`,
		}},
		"inputs": {`inputs: {component: "{component}"`, `inputs: {"a b": x, year: "{serie}-{nothing}", n: 2025, component: "{component}"`, []string{
			`release.yaml:25:79: "a b" cannot be the name of an input, use letters, digits, _ and -, starting with a letter or _`,
			`release.yaml:25:88: "{serie}" stands for nothing, did you mean {series}?`,
			`release.yaml:25:88: "{nothing}" stands for nothing, write one of {target} {component} {series} {os} {suite} {version}`,
			`release.yaml:25:112: this is a number, not a text, write it in quotes`,
		}},
		"probe": {"tunnels:\n", "probes: [{name: a, url: \"http://h/\", certificate: 14d, skew: 0s}]\ntunnels:\n", []string{
			`release.yaml:19:51: a plain http server has no certificate, write https:// in url, or leave the key out`,
			`release.yaml:19:62: "0s" is not a time span, write one such as 90s, 24h or 2d`,
		}},
		"many architectures": {`suite: jammy, architectures: [amd64]`, `suite: jammy, architectures: [` + strings.Repeat("amd64,", 65) + `]`, []string{
			`release.yaml:12:99: these are more than 64 architectures, write those that are built`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(whole, tc.old) {
				t.Fatalf("the whole file holds no %q", tc.old)
			}
			_, err := load(t, strings.Replace(whole, tc.old, tc.new, 1))
			if !errors.As(err, new(config.Errors)) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"registry.example.org": true, "localhost:5000": true, "my_host": true, "10.0.0.1:22": true, "[::1]": true, "[::1]:22": true, "a": true,
		"": false, ":22": false, "h:": false, "h:0": false, "h:22:22": false, "::1": false, "[::1": false, "[]": false, "h/path": false, "http://h": false, "u@h": false, "-h": false, "h h": false, "h.": false,
	} {
		_, err := load(t, strings.Replace(whole, `"localhost:5000"`, strconv.Quote(host), 1))
		if (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestHops(t *testing.T) {
	for _, n := range []int{6, 7, 20} { // tunnels in a row that ends with vm and jump
		var more strings.Builder
		for i := range n {
			fmt.Fprintf(&more, "  - {name: t%d, host: h, user: u, via: t%d}\n", i, i+1)
		}
		fmt.Fprintf(&more, "  - {name: t%d, host: h, user: u, via: vm}\n", n)
		_, err := load(t, strings.Replace(whole, "forges:\n", more.String()+"forges:\n", 1))
		if want := n - 6; errorsIn(err) != want {
			t.Errorf("%d tunnels: want %d errors, got %v", n, want, err)
		}
	}
}

func errorsIn(err error) int {
	errs := config.Errors(nil)
	errors.As(err, &errs)
	return len(errs)
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(whole))
	f.Add([]byte(servers))
	f.Add(config.Example("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "release.yaml")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := config.Load(file)
		if err != nil {
			if errs := (config.Errors)(nil); !errors.As(err, &errs) || errs[0].Line < 1 || errs[0].Col < 1 {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		config.Advice(r)
		for _, target := range r.Targets {
			if len(target.Places()) == 0 || target.Component == "" || target.Series == "" || (target.Path == "") != (target.Format == config.FormatOCI) {
				t.Errorf("let through %+v", target)
			}
		}
		for _, place := range []string{r.State, r.Staging, r.Served} {
			if _, _, ok := r.StoreOf(place); ok != strings.HasPrefix(place, "store:") {
				t.Errorf("let through %q", place)
			}
		}
	})
}
