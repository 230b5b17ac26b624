package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

// forest is a distribution of two trees and all that can be said of them, one
// thing a line.
const forest = `product: rocky
targets:
  - name: rocky-9
    format: tree
    tree:
      major: 9
      compose: {root: compose, path: "{major}/stable"}
      staging: {root: mirror-staging, path: "rocky/{revision}{suffix}"}
      production: {root: mirror, path: "rocky/{revision}"}
      owner: "10004:10005"
      exclude: ["*.~tmp~", Minimal/]
      grace: 0s
      alarm: 5
      closed: "0750"
      open: "0755"
      repos: [BaseOS, AppStream]
      architectures: [x86_64, aarch64]
  - name: beta
    format: tree
    tree: {major: 9, stream: beta, suffix: -BETA, compose: {root: compose, path: "{major}/beta"}, staging: {root: mirror-staging, path: "rocky/{revision}{suffix}"}}
commands:
  - {name: sync, argv: [sync, "{major}"], architectures: [x86_64], on: host, proofs: [{files: "c/{major}/*", count: 1, contains: "{revision}", fresh: true}], never: {kinds: [patch], because: it removes images}}
  - {name: close, argv: [dnf, "{repo}", "{arch}"]}
tunnels: [{name: host, host: h, user: u}]
stores: [{name: bucket, bucket: abc}]
jobs:
  - {name: lorax, manifest: job.yaml, kubectl: [kubectl], architectures: [amd64], proofs: [{files: "store:bucket/{major}-{arch}/*"}]}
closures:
  - {name: all, command: close, architectures: [x86_64], repos: [{name: BaseOS}, {name: AppStream, requires: [BaseOS]}]}
images:
  - {name: isos, target: rocky-9, dir: "isos/{arch}", file: "R-{revision}-{arch}-{variant}.iso", variants: [boot, dvd], architectures: [x86_64, aarch64], except: [aarch64/dvd]}
torrents:
  - {name: all, images: isos, held: t/held, data: t/data, publish: t/watch, trackers: ["udp://h:1/announce"], comment: "notes {revision_}", piece: 1MiB}
file_lists:
  - {name: lists, root: mirror, scopes: [{dir: rocky, full: full, times: [times, again]}, {dir: ., full: full}], after: [rocky-9]}
mirrors:
  - {name: near, list: "https://h/list?repo={repo}-{major}&arch={arch}", target: rocky-9, repos: [BaseOS/x86_64/os], percent: 80, networks: [10.0.0.0/8]}
people: {owner: Us, contacts: [{name: Mail, address: a@example.org}, {address: "@neil"}], channels: ["~here"]}
items:
  - {item: bitflip, uses: bitflip, kinds: [final], targets: [rocky-9]}
  - {item: isos, uses: image.check, with: {name: isos}, targets: [rocky-9]}
  - {item: compose-completed, uses: command, with: {name: sync}}
  - {item: file-lists, uses: filelist, with: {name: lists}}
`

func TestForestLoads(t *testing.T) {
	r, err := load(t, forest)
	if err != nil {
		t.Fatal(err)
	}
	tree := r.Targets[0].Tree
	if tree.Grace != 0 || tree.Closed != 0o750 || tree.Owner != (config.Owner{Set: true, UID: 10004, GID: 10005}) || tree.Staging.Undo != ".gantry" || r.Images[0].In != "compose" || r.Jobs[0].Timeout == 0 {
		t.Errorf("%+v", tree)
	}
}

// Each row changes the forest: old is replaced by new. want are what the errors
// say, each after its place.
func TestForestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"no tree":                 {"    format: tree\n    tree: {major: 9, stream", "    format: tree\n    url: https://h/\n#: {major: 9, stream", []string{"18:5: tree is missing"}},
		"tree of packages":        {"    format: tree\n    tree: {major: 9, stream: beta", "    format: oci\n    tree: {major: 9, stream: beta", []string{"18:5: component is missing", "18:5: series is missing", "18:5: key is missing", "18:5: architectures is missing", "18:5: registry is missing", "20:11: targets of format oci have no tree"}},
		"major":                   {"      major: 9", "      major: 0", []string{"6:14: 0 is no major version"}},
		"minor as major":          {"      major: 9", "      major: 9.7", []string{"6:14: a whole number is wanted here"}},
		"stream":                  {"stream: beta", "stream: bta", []string{`20:30: "bta" is none of the choices, write stable or beta or lookahead`}},
		"no suffix":               {"suffix: -BETA, ", "", []string{"20:11: a beta has no suffix"}},
		"suffix leads out":        {"suffix: -BETA", "suffix: /../x", []string{`20:44: "/../x" cannot end the name of a directory`, "20:"}},
		"suffix of stable":        {"      major: 9", "      major: 9\n      suffix: -X", []string{"7:15: a stable tree has no suffix"}},
		"no production":           {"      production: {root: mirror, path: \"rocky/{revision}\"}\n", "", []string{"6:7: production is missing"}},
		"beta in production":      {"stream: beta, ", "stream: beta, production: {root: p, path: \"{revision}\"}, ", []string{"20:48: a beta never goes to production"}},
		"no root":                 {"{root: compose, path: \"{major}/stable\"}", "{path: \"{major}/stable\"}", []string{"7:16: root is missing"}},
		"root empty":              {"{root: compose, path: \"{major}/stable\"}", "{root: \"\", path: \"{major}/stable\"}", []string{"7:23: no path"}},
		"root url":                {"root: compose, path: \"{major}/stable\"", "root: \"s3://b\", path: \"{major}/stable\"", []string{`7:23: "s3://b" is neither a directory nor a store`}},
		"root of no store":        {"root: compose, path: \"{major}/stable\"", "root: \"store:buckt/x\", path: \"{major}/stable\"", []string{"7:23: no store buckt"}},
		"closed on a store":       {"production: {root: mirror,", "production: {root: \"store:bucket/m\",", []string{"14:15: production is on a store"}},
		"mounted store":           {"root: compose, path: \"{major}/stable\"", "root: \"store:bucket/x\", mount: true, path: \"{major}/stable\"", []string{"7:48: a store is never mounted"}},
		"path empty":              {"{root: compose, path: \"{major}/stable\"}", "{root: compose, path: \"\"}", []string{`7:38: "" is no directory below "compose", write one such as`}},
		"path is root":            {"{root: compose, path: \"{major}/stable\"}", "{root: compose, path: .}", []string{`7:38: "." is no directory`}},
		"path of nothing":         {"{root: compose, path: \"{major}/stable\"}", "{root: compose, path: \"{suffix}\"}", []string{`7:38: "" is no directory`}},
		"path up":                 {"{root: compose, path: \"{major}/stable\"}", "{root: compose, path: \"../{major}\"}", []string{`7:38: "../9" is no directory`}},
		"path placeholder":        {"{root: compose, path: \"{major}/stable\"}", "{root: compose, path: \"{majr}/stable\"}", []string{`7:38: "{majr}/stable" holds {majr}, which stands for nothing here, known are {major} {minor}`}},
		"a candidate's own name":  {"path: \"rocky/{revision}\"}", "path: \"rocky/{revision}{suffix}\"}", []string{`"rocky/{revision}{suffix}" holds {suffix}: each release candidate would be served under a name of its own`}},
		"undo up":                 {"path: \"{major}/stable\"}", "path: \"{major}/stable\", undo: ../x}", []string{`7:62: "../x" is no plain path below root`}},
		"undo in the tree":        {"path: \"rocky/{revision}\"}", "path: \"rocky/{revision}\", undo: rocky}", []string{"9:19: what syncs of rocky-9 replace (undo: rocky) and production of rocky-9 (rocky/9.1) overlap"}},
		"undo in another tree":    {"path: \"{major}/stable\"}", "path: \"{major}/stable\", undo: 9/beta/x}", []string{"20:60: what syncs of rocky-9 replace (undo: 9/beta/x) and compose of beta (9/beta) overlap"}},
		"the same path":           {"path: \"{major}/beta\"", "path: \"{major}/stable\"", []string{"20:60: compose of rocky-9 (9/stable) and compose of beta (9/stable) overlap, let root or path differ"}},
		"within the other":        {"path: \"{major}/beta\"", "path: \"{major}/stable/beta\"", []string{"20:60: compose of rocky-9 (9/stable) and compose of beta (9/stable/beta) overlap"}},
		"beta without suffix":     {"staging: {root: mirror-staging, path: \"rocky/{revision}{suffix}\"}}", "staging: {root: mirror-staging, path: \"rocky/{revision}\"}}", []string{"20:108: staging of rocky-9 (rocky/9.1) and staging of beta (rocky/9.1) overlap"}},
		"beta like an RC":         {"suffix: -BETA", "suffix: -RC1", []string{"overlap"}},
		"staging is production":   {"root: mirror-staging, path: \"rocky/{revision}{suffix}\"}\n      production", "root: mirror, path: \"rocky/{revision}{suffix}\"}\n      production", []string{"9:19: staging of rocky-9 (rocky/9.1) and production of rocky-9 (rocky/9.1) overlap"}},
		"tree in state":           {"{root: compose, path: \"{major}/stable\"}", "{root: ., path: \"state/{major}\"}", []string{"7:16: state (state) and compose of rocky-9 (state/9) overlap"}},
		"any release":             {"{major: 9, stream: beta, suffix: -BETA, compose: {root: compose, path: \"{major}/beta\"}", "{production: {root: p, path: \"{revision}\"}, compose: {root: compose, path: \"{major}/stable\"}", []string{"compose of rocky-9 (9/stable) and compose of beta (9/stable) overlap", "staging of rocky-9"}},
		"owner":                   {`owner: "10004:10005"`, `owner: rocky`, []string{`10:14: "rocky" is no owner, write numbers`}},
		"owner a number":          {`owner: "10004:10005"`, `owner: 10004`, []string{`10:14: 10004 is a number, not a text`}},
		"exclude":                 {`["*.~tmp~", Minimal/]`, `["/x", "../y", "[z", ""]`, []string{`11:17: "/x" is neither a path`, `11:23: "../y" is neither`, `11:31: "[z" is no pattern`, `11:37: "" is neither`}},
		"grace":                   {"grace: 0s", "grace: -1h", []string{`12:14: "-1h" is not a time span`}},
		"alarm":                   {"alarm: 5", "alarm: 101", []string{"13:14: 101 is no share in percent"}},
		"closed to all":           {`closed: "0750"`, `closed: "0755"`, []string{"14:15: with mode 0755 everybody may enter"}},
		"closed to its owner":     {`closed: "0750"`, `closed: "0050"`, []string{"14:15: with mode 0050 not even its owner"}},
		"closed unquoted":         {`closed: "0750"`, `closed: 0750`, []string{`14:15: 0750 is a number, not a text, write it in quotes: "0750"`}},
		"closed words":            {`closed: "0750"`, `closed: rwx`, []string{`14:15: "rwx" is no mode`}},
		"open to some":            {`open: "0755"`, `open: "0750"`, []string{"15:13: with mode 0750 not everybody may read"}},
		"private and open":        {`      closed: "0750"`, `      private: true`, []string{"14:16: nothing says that the tree is closed"}},
		"beta closed":             {"stream: beta, ", "stream: beta, closed: \"0750\", ", []string{"20:44: a beta has no production to be closed"}},
		"repos":                   {"[BaseOS, AppStream]", "[BaseOS, BaseOS, a/b, ..]", []string{"16:23: BaseOS comes twice", `16:31: "a/b" cannot be a name here`, `16:36: ".." cannot be a name`}},
		"architectures":           {"architectures: [x86_64, aarch64]\n", "architectures: [x86_64, x86_64, X]\n", []string{"17:31: x86_64 comes twice", `17:39: "X" is not an architecture`}},
		"command on nothing":      {"on: host", "on: hst", []string{"22:72: no tunnel hst"}},
		"command away":            {"on: host", "on: host, secrets: {A: env:A}, inherit: [B]", []string{"the command runs at the far end of tunnel host, which is sent no secrets", "which is sent no inherit"}},
		"command arch":            {`argv: [sync, "{major}"], architectures: [x86_64], on`, `argv: [sync, "{arch}"], on`, []string{"22:24: {arch} stands for nothing here"}},
		"proof":                   {`{files: "c/{major}/*", count: 1, contains: "{revision}", fresh: true}`, `{files: "c/{majr}/*", count: 0, contains: "", sha256: abc}, {files: "store:none/x"}, {files: "[", count: 2, sha256: "` + strings.Repeat("0", 64) + `"}, {count: 1}`, []string{"holds {majr}", "count is 0", "every file holds an empty text", "this is no SHA-256 digest", `"store:none/x" names no file of a store`, `"[" is no pattern`, "one digest is of one file", "files is missing"}},
		"never":                   {"never: {kinds: [patch], because: it removes images}", "never: {kinds: [patch, patch, a b]}", []string{"never gives no reason", "patch comes twice", `"a b" is not a kind of release`}},
		"never of nothing":        {"never: {kinds: [patch], because: it removes images}", `never: {because: ""}`, []string{"never names no kind", `"" cannot be shown`}},
		"job without proof":       {`proofs: [{files: "store:bucket/{major}-{arch}/*"}]}`, `proofs: []}`, []string{"no proof, write what must be there"}},
		"job":                     {"manifest: job.yaml, kubectl: [kubectl], architectures: [amd64], ", `manifest: "", kubectl: [], `, []string{"no path", "no program", `holds {arch}, which stands for nothing here`}},
		"job of a token":          {"kubectl: [kubectl]", "kubectl: [kubectl, --token=abc, --password, abc]", []string{"27:58: --token is a credential", "27:71: --password is a credential"}},
		"closure":                 {"command: close, architectures: [x86_64], repos: [{name: BaseOS}, {name: AppStream, requires: [BaseOS]}]", "command: sync, architectures: [], repos: [{name: BaseOS, requires: [BaseOS, CRB]}, {name: BaseOS}]", []string{"command sync has architectures or proofs of its own", "no architecture", "BaseOS takes from itself", `no repository "CRB" in this list`, "BaseOS comes twice"}},
		"closure of the same":     {"{name: close, argv: [dnf, \"{repo}\", \"{arch}\"]}", "{name: close, argv: [dnf, \"{arch}\"]}", []string{"29:26: command close lacks {repo} or {arch}"}},
		"closure of nothing":      {"command: close, architectures: [x86_64], repos: [{name: BaseOS}, {name: AppStream, requires: [BaseOS]}]", "command: none, architectures: [x86_64], repos: []", []string{"{arch} stands", "no command none", "no repository"}},
		"images of nothing":       {"{name: isos, target: rocky-9, dir", "{name: isos, target: rocky-8, dir", []string{"no target rocky-8", "rocky-9 has no matrix of images isos"}},
		"images in nothing":       {"target: rocky-9, dir: \"isos/{arch}\"", "target: rocky-9, in: prod, dir: \"../{arch}\"", []string{`"prod" is no place of a tree`, `"../{arch}" is no directory below`}},
		"images of beta":          {"target: rocky-9, dir", "target: beta, in: production, dir", []string{"beta has no production", "rocky-9 has no matrix"}},
		"images, names":           {`file: "R-{revision}-{arch}-{variant}.iso", variants: [boot, dvd], architectures: [x86_64, aarch64], except: [aarch64/dvd]`, `file: "a/{revision}-{arc}.iso", variants: [boot, boot], architectures: [x86_64, x86_64], except: [aarch64/dvd, x]`, []string{"holds {arc}", "several images would have the same name", "boot comes twice", "x86_64 comes twice", `"aarch64/dvd" is none of this matrix`, `"x" is none`}},
		"images, no variants":     {"variants: [boot, dvd], architectures: [x86_64, aarch64], except: [aarch64/dvd]", "architectures: [x86_64], checksum: a/b", []string{"there are no variants", `"a/b" is no file name`}},
		"torrents":                {`images: isos, held: t/held, data: t/data, publish: t/watch, trackers: ["udp://h:1/announce"], comment: "notes {revision_}", piece: 1MiB`, `images: iso, held: t, data: t/data, publish: t/watch, trackers: ["h:1"], comment: "notes {revison}", piece: 3MiB`, []string{"no matrix of images iso", "held (t) and data (t/data) overlap", "held (t) and publish (t/watch) overlap", `"h:1" does not begin with udp://`, "holds {revison}", `"3MiB" is no size of a piece`}},
		"torrents, tracker":       {`trackers: ["udp://h:1/announce"]`, `trackers: []`, []string{"no tracker"}},
		"file lists":              {"root: mirror, scopes: [{dir: rocky, full: full, times: [times, again]}, {dir: ., full: full}], after: [rocky-9]", "root: \"store:bucket\", shrink: 101, scopes: [{dir: /x, full: a/b}, {dir: rocky}, {dir: rocky, full: a, times: [a, b]}, {dir: r, times: [a, a-old]}], after: [rocky-8]", []string{"lists are made of directories", "101 is no share", `"/x" is no directory below root`, `"a/b" is no file name`, "the directory gets no list", "rocky comes twice", "a is the name of another list", "a-old is the name of another list", "no target rocky-8"}},
		"file lists of nothing":   {"scopes: [{dir: rocky, full: full, times: [times, again]}, {dir: ., full: full}]", "scopes: []", []string{"no scope"}},
		"mirrors":                 {`list: "https://h/list?repo={repo}-{major}&arch={arch}", target: rocky-9, repos: [BaseOS/x86_64/os], percent: 80, networks: [10.0.0.0/8]`, `list: "https://u:p@h/{rep}", target: beta, repos: [/BaseOS], percent: 0, networks: [10.0.0.0]`, []string{"holds {rep}", `"/BaseOS" is no directory`, "0 is no share", `"10.0.0.0" is no network`}},
		"mirrors, credentials":    {`"https://h/list?repo={repo}-{major}&arch={arch}"`, `"https://u:hunter2@h/{repo}"`, []string{"this is not the URL of a mirror list"}},
		"people":                  {`{owner: Us, contacts: [{name: Mail, address: a@example.org}, {address: "@neil"}], channels: ["~here"]}`, `{owner: "", contacts: [{name: Mail, address: "a@"}, {address: ""}], channels: [" "]}`, []string{`"" cannot be shown`, `"a@" is no address`, `"" cannot be shown`, `" " cannot be shown`}},
		"items":                   {"{item: bitflip, uses: bitflip, kinds: [final], targets: [rocky-9]}", "{item: Bit flip, uses: Bit flip, kinds: [a b], targets: [rocky-8]}", []string{`"Bit flip" is not the id of an item`, `"Bit flip" does nothing`, `"a b" is not a kind`, "no target rocky-8, targets are rocky-9, beta"}},
		"item of no command":      {"{item: compose-completed, uses: command, with: {name: sync}}", "{item: compose-completed, uses: command, with: {command: snc}}", []string{"no command snc"}},
		"item does not say which": {"{item: compose-completed, uses: command, with: {name: sync}}", "{item: compose-completed, uses: command}", []string{"command does not say which, write with: {name: ...}"}},
		"item of no list":         {"with: {name: lists}", "with: {name: list}", []string{"no file list list"}},
		"item of no matrix":       {"with: {name: isos}, targets: [rocky-9]", "with: {name: isos}", []string{"beta has no matrix of images isos"}},
		"item of no probe":        {"uses: filelist, with: {name: lists}", "uses: check.http, with: {probe: website}", []string{"no probe website, there are no probes yet"}},
		"item of no job":          {"uses: filelist, with: {name: lists}", "uses: job, with: {name: lorx}", []string{"no job lorx, jobs are lorax"}},
		"item of no closure":      {"uses: filelist, with: {name: lists}", "uses: closure, with: {name: al}", []string{"no closure al"}},
		"item of no torrents":     {"uses: filelist, with: {name: lists}", "uses: torrent.make, with: {name: al}", []string{"no torrents al"}},
		"item of no mirrors":      {"uses: filelist, with: {name: lists}", "uses: check.mirrors, with: {name: far}", []string{"no list of mirrors far"}},
		"torrents of beta":        {"uses: filelist, with: {name: lists}", "uses: torrent.make, with: {name: all}", []string{"beta has no matrix of images isos"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(forest, tc.old) {
				t.Fatalf("the forest holds no %q", tc.old)
			}
			_, err := load(t, strings.Replace(forest, tc.old, tc.new, 1))
			var errs config.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v", err)
			}
			for _, e := range errs {
				if e.Hint == "" || e.Line == 0 {
					t.Errorf("no hint or no place: %+v", e)
				}
			}
			got := strings.Split(err.Error(), "\n")
			left := tc.want
			for _, line := range got {
				for i, want := range left {
					if strings.Contains(line, want) {
						left = append(left[:i:i], left[i+1:]...)
						break
					}
				}
			}
			if len(left) > 0 {
				t.Errorf("it does not say %q:\n%v", left, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

// Two trees of one version and stream, such as a distribution and its SIGs, are
// well where they lie apart.
func TestTreesOfOneMajorLieApart(t *testing.T) {
	sig := `  - name: sig-9-cloud
    format: tree
    tree: {major: 9, compose: {root: compose, path: "{major}/cloud"}, staging: {root: mirror-staging, path: "sig/{major}/cloud"}, production: {root: mirror, path: "sig/{major}/cloud"}}
`
	text := strings.Replace(forest, "commands:\n", sig+"commands:\n", 1)
	if _, err := load(t, text); err != nil {
		t.Error(err)
	}
	if _, err := load(t, strings.Replace(text, `"sig/{major}/cloud"}}`, `"rocky/{major}.1/cloud"}}`, 1)); err == nil {
		t.Error("a SIG within the distribution is well")
	}
}

func TestLintForest(t *testing.T) {
	text := forest
	if runtime.GOOS == "linux" {
		text = strings.NewReplacer(
			`{root: compose, path: "{major}/stable"}`, `{root: /proc, mount: true, path: "{major}/stable"}`,
			`{root: mirror-staging, path: "rocky/{revision}{suffix}"}
      production: {root: mirror, path: "rocky/{revision}"}`, `{root: here, mount: true, path: "rocky/{revision}{suffix}"}
      production: {root: gone, mount: true, path: "rocky/{revision}"}`,
		).Replace(forest)
	}
	r, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"here", "mirror", "compose"} {
		if err := os.Mkdir(filepath.Join(r.Dir(), dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.Dir(), "mirror-staging"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", "x")
	t.Setenv("PATH", t.TempDir())
	var got []string
	for _, f := range config.Lint(r) {
		what, _, _ := strings.Cut(f.What, ": ")
		got = append(got, f.Where+": "+what)
		if f.Hint == "" {
			t.Errorf("no hint: %+v", f)
		}
	}
	want := []string{
		"target rocky-9: here is not mounted", "target rocky-9: gone is not there, and must be mounted",
		"target beta: mirror-staging is not a directory",
		"command close: its program cannot be run", "job lorax: its program cannot be run", "job lorax: read its manifest",
		"torrents all: t/watch is no directory that a seed box watches",
	}
	if runtime.GOOS != "linux" {
		want = append([]string{"target rocky-9: mirror-staging is not a directory"}, want[3:]...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAdviceOnForests(t *testing.T) {
	r, err := load(t, strings.NewReplacer(
		`{root: mirror, path: "rocky/{revision}"}`, `{root: /srv/mirror, path: "rocky/{revision}"}`,
		`["*.~tmp~", Minimal/]`, `[Minimal/]`, `with: {name: sync}`, `with: {name: close}`,
	).Replace(forest))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range config.Advice(r) {
		what, _, _ := strings.Cut(f.What, ":")
		got = append(got, f.Where+": "+what)
	}
	if diff := cmp.Diff([]string{
		"target rocky-9: the root of its production need not be mounted",
		"target rocky-9: its syncs do not leave *.~tmp~ alone, which is what mirrors and other syncs call files that are not whole yet",
		"command close: it has no proofs",
	}, got); diff != "" {
		t.Error(diff)
	}
}
