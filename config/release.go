// Package config is release.yaml: what the operator writes. It holds every
// option struct, reads strictly, and reports errors as file:line:col.
package config

import "path/filepath"

// Release is a release.yaml: a product, where its parts live, its keys and its
// targets. It holds no version; a release is opened with one.
type Release struct {
	Product  Name      `yaml:"product" jsonschema:"required" jsonschema_description:"name of the product, shown in the header"`
	State    string    `yaml:"state" jsonschema_description:"the journal, runs, plans and logs: a directory, or store:NAME/PREFIX (default state)"`
	Staging  string    `yaml:"staging" jsonschema_description:"staged artifacts: a directory, or store:NAME/PREFIX (default staging)"`
	Served   string    `yaml:"served" jsonschema_description:"what clients read: a directory, or store:NAME/PREFIX (default served)"`
	Keys     []Key     `yaml:"keys" jsonschema_description:"OpenPGP signing keys, secrets by reference"`
	Targets  []Target  `yaml:"targets" jsonschema:"required" jsonschema_description:"what production serves"`
	Commands []Command `yaml:"commands" jsonschema_description:"programs that checklist items may run"`
	Probes   []Probe   `yaml:"probes" jsonschema_description:"HTTP checks that checklist items may make"`
	Console  Console   `yaml:"console" jsonschema_description:"how the console looks and behaves"`

	CosignKeys []CosignKey `yaml:"cosign_keys" jsonschema_description:"keys that sign images"`
	Stores     []Store     `yaml:"stores" jsonschema_description:"S3-compatible servers"`
	Registries []Registry  `yaml:"registries" jsonschema_description:"registries of OCI images"`
	Tunnels    []Tunnel    `yaml:"tunnels" jsonschema_description:"SSH forwards that stores and registries are reached through"`
	Forges     []Forge     `yaml:"forges" jsonschema_description:"GitHub, Gitea and Forgejo repositories whose Actions run workflows"`
	Workflows  []Workflow  `yaml:"workflows" jsonschema_description:"workflows that checklist items may dispatch"`

	Items     []Binding   `yaml:"items" jsonschema_description:"what does items of the checklists that a person does otherwise"`
	People    People      `yaml:"people" jsonschema_description:"owner, contacts and channels of the checklists, in place of their own"`
	Jobs      []Job       `yaml:"jobs" jsonschema_description:"Kubernetes Jobs that checklist items may run"`
	Closures  []Closure   `yaml:"closures" jsonschema_description:"repoclosure of composes"`
	Images    []Images    `yaml:"images" jsonschema_description:"matrices of images that releases have"`
	Torrents  []Torrents  `yaml:"torrents"`
	FileLists []FileLists `yaml:"file_lists" jsonschema_description:"lists that mirrors compare"`
	Mirrors   []Mirrors   `yaml:"mirrors" jsonschema_description:"mirrors whose state items may check"`

	dir string
}

// Dir is the directory of the release.yaml; relative paths start there.
func (r *Release) Dir() string { return r.dir }

// Path resolves a path of the configuration against the directory of its file.
func (r *Release) Path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.dir, p)
}

// Key is an OpenPGP key pair: the private half by reference, the public half as
// the armored file that clients are given.
type Key struct {
	Name       Name   `yaml:"name" jsonschema:"required"`
	Private    Secret `yaml:"private" jsonschema:"required" jsonschema_description:"armored private key, as env:NAME or file:PATH"`
	Passphrase Secret `yaml:"passphrase" jsonschema_description:"passphrase of the private key, as env:NAME or file:PATH"`
	Public     string `yaml:"public" jsonschema:"required" jsonschema_description:"path of the armored public key that clients import"`
}

// Target is one thing that production serves.
type Target struct {
	Name          Name   `yaml:"name" jsonschema:"required" jsonschema_description:"what operators type, such as core-el9"`
	Format        Format `yaml:"format" jsonschema:"required"`
	Component     Name   `yaml:"component" jsonschema_description:"first directory of the staging area; of deb also the component of the suite"`
	Series        Series `yaml:"series" jsonschema_description:"second directory of the staging area, such as 2025; of oci also the tag"`
	OS            OS     `yaml:"os" jsonschema_description:"of rpm: operating system and architecture, such as el9-x86_64"`
	Suite         Name   `yaml:"suite" jsonschema_description:"of deb: the suite, such as noble"`
	Architectures []Arch `yaml:"architectures" jsonschema_description:"of deb and oci: as in the staging area, such as amd64 (deb) or x86_64 (oci)"`
	Key           Name   `yaml:"key" jsonschema_description:"name of the signing key; of oci that of a cosign key; of tree that which signs repomd.xml, where gantry does"`
	Tree          *Tree  `yaml:"tree" jsonschema_description:"of tree: where it is and how it is synced"`
	Path          string `yaml:"path" jsonschema_description:"directory below served (default of rpm rpm/{component}/{series}/{os}; of deb deb/{component}/{series}, which its suites share)"`
	URL           string `yaml:"url" jsonschema_description:"where clients reach the target's directory"`
	Registry      Name   `yaml:"registry" jsonschema_description:"of oci: name of the registry"`
	Repository    string `yaml:"repository" jsonschema_description:"of oci: name of the image in the registry (default {component})"`

	Origin   string   `yaml:"origin" jsonschema_description:"of deb: Origin in Release (default the product)"`
	Label    string   `yaml:"label" jsonschema_description:"of deb: Label in Release (default the product)"`
	ValidFor Duration `yaml:"valid_for" jsonschema_description:"of deb: how long clients accept a Release (Valid-Until); without it, for ever"`
	Expect   []string `yaml:"expect" jsonschema_description:"of rpm and deb: names of packages that must be staged for a release; of oci it is one archive for each architecture"`

	Policy    Policy `yaml:"policy" jsonschema_description:"which packages a new snapshot keeps of the one in production"`
	Keep      int    `yaml:"keep" jsonschema_description:"versions of a package that accumulate keeps (default 3)"`
	Snapshots int    `yaml:"snapshots" jsonschema_description:"published snapshots that prune keeps (default 5)"`

	Compress   Compression `yaml:"compress" jsonschema_description:"of the metadata: gz is read by every client, zstd from EL9 on"`
	Signatures Signatures  `yaml:"signatures" jsonschema_description:"header: the header alone, which names the payload's digest; both: also header and payload together, for old rpm"`

	Subscriber *Subscriber `yaml:"subscriber" jsonschema_description:"credentials that clients of this target use"`
}

// Places are the last directories of the staging area that hold the target's
// artifacts: el9-x86_64 of rpm; noble-amd64, noble-arm64 of deb; x86_64, arm64
// of oci. A tree has none.
func (t *Target) Places() []string {
	switch t.Format {
	case FormatTree:
		return nil
	case FormatRPM:
		return []string{string(t.OS)}
	case FormatDEB:
		var all []string
		for _, arch := range t.Architectures {
			all = append(all, string(t.Suite)+"-"+string(arch))
		}
		return all
	}
	var all []string
	for _, arch := range t.Architectures {
		all = append(all, string(arch))
	}
	return all
}

// Subscriber is what a client sends by HTTP basic authentication.
type Subscriber struct {
	Username string `yaml:"username" jsonschema:"required"`
	Password Secret `yaml:"password" jsonschema:"required"`
}

// Command is a program that a checklist item may run: by argv, never through a
// shell. Values reach it in its environment, which holds nothing else but PATH,
// HOME, TMPDIR and the language.
type Command struct {
	Name    Name              `yaml:"name" jsonschema:"required"`
	Argv    []string          `yaml:"argv" jsonschema:"required" jsonschema_description:"program and arguments, no shell"`
	Dir     string            `yaml:"dir" jsonschema_description:"working directory"`
	Env     map[string]string `yaml:"env" jsonschema_description:"environment values"`
	Inherit []string          `yaml:"inherit" jsonschema_description:"names of variables handed on from gantry's own environment, such as SSH_AUTH_SOCK for a program that uses ssh; one that is not set there fails the run. Their values are not masked: what is secret belongs under secrets"`
	Secrets map[string]Secret `yaml:"secrets" jsonschema_description:"environment values by reference; masked in the log, but for lines of fewer than 4 characters"`
	Timeout Duration          `yaml:"timeout" jsonschema_description:"after which it is stopped (default 1h)"`

	On     Name    `yaml:"on" jsonschema_description:"name of the tunnel to the host where it runs (default: here)"`
	Arch   []Arch  `yaml:"architectures" jsonschema_description:"it is run once for each, all at a time; argv may hold {arch}"`
	Proofs []Proof `yaml:"proofs" jsonschema_description:"what must be there when it ended well"`
	Never  Never   `yaml:"never" jsonschema_description:"releases in which it must not be run"`
}

// Probe is an HTTP check.
type Probe struct {
	Name     Name     `yaml:"name" jsonschema:"required"`
	URL      string   `yaml:"url" jsonschema:"required"`
	Status   int      `yaml:"status" jsonschema_description:"wanted status code (default 200)"`
	Contains string   `yaml:"contains" jsonschema_description:"text that the body must hold"`
	Username string   `yaml:"username"`
	Password Secret   `yaml:"password"`
	Timeout  Duration `yaml:"timeout" jsonschema_description:"default 10s"`

	Certificate Duration `yaml:"certificate" jsonschema_description:"how long the TLS certificate must still be valid, such as 14d"`
	Skew        Duration `yaml:"skew" jsonschema_description:"how far the server's clock, by its Date, may be off, such as 1m"`

	Watch bool `yaml:"watch" jsonschema_description:"the dashboard looks at it all the time; in the order they are written"`
}

// Console is how the screen looks and behaves.
type Console struct {
	Theme    Theme `yaml:"theme" jsonschema_description:"dark, light or colour-blind (default dark)"`
	ASCII    bool  `yaml:"ascii" jsonschema_description:"draw with ASCII only"`
	Mouse    bool  `yaml:"mouse" jsonschema_description:"react to the mouse (text selection then needs shift)"`
	Bell     bool  `yaml:"bell" jsonschema_description:"ring when a run ends"`
	ReadOnly bool  `yaml:"read_only" jsonschema_description:"show everything, change nothing"`
}
