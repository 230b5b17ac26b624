package config

import (
	"slices"
	"strings"
)

// Binding says what does an item of the checklists that a person does otherwise.
type Binding struct {
	Item  string            `yaml:"item" jsonschema:"required" jsonschema_description:"id of the item in the checklist"`
	Kinds []string          `yaml:"kinds" jsonschema_description:"of releases; without it, all that have the item"`
	Uses  string            `yaml:"uses" jsonschema:"required" jsonschema_description:"what does it: promote, command, job, check.images ..."`
	With  map[string]string `yaml:"with" jsonschema_description:"its options, such as name: compose"`

	Targets []Name `yaml:"targets" jsonschema_description:"that it is for; a release about none of them is not meant (default all)"`
}

// Name is what a binding runs, in a word: the entry of the configuration that it
// names, or else what it uses.
func (b Binding) Name() string {
	for _, key := range []string{"name", "command", "probe", "workflow"} {
		if name := b.With[key]; name != "" {
			return name
		}
	}
	return b.Uses
}

// OfTree tells whether what a binding uses is about one tree: such an item is
// done for each tree of a release.
func (b Binding) OfTree() bool {
	maker, _, _ := strings.Cut(b.Uses, ".")
	return slices.Contains([]string{"stage", "promote", "verify", "rollback", "prune", "hardlink", "bitflip", "compose", "image", "torrent", "tree"}, maker)
}

// Observes tells whether what a binding uses changes nothing.
func (b Binding) Observes() bool {
	maker, _, _ := strings.Cut(b.Uses, ".")
	return slices.Contains([]string{"check", "verify", "closure"}, maker) || slices.Contains([]string{"image.check", "compose.id", "torrent.seeds"}, b.Uses)
}

// People are those that a checklist names: they take the place of its own.
type People struct {
	Owner    string    `yaml:"owner"`
	Contacts []Contact `yaml:"contacts"`
	Channels []string  `yaml:"channels"`
}

// Contact is somebody to ask, by mail or chat.
type Contact struct {
	Name    string `yaml:"name" json:"name,omitempty"`
	Address string `yaml:"address" json:"address" jsonschema:"required"`
}

// Proof is what must be there after a program ended well: its exit status is not
// believed alone. A file or files that a pattern names, below a directory or on a
// store, none of them empty.
type Proof struct {
	Files    string `yaml:"files" jsonschema:"required" jsonschema_description:"path or pattern, relative to release.yaml, or store:NAME/KEY; may hold placeholders"`
	Count    int    `yaml:"count" jsonschema_description:"how many at least (default 1)"`
	Contains string `yaml:"contains" jsonschema_description:"text that each must hold in its first MiB; may hold placeholders"`
	SHA256   string `yaml:"sha256" jsonschema_description:"digest of the one file, in hex"`
	Fresh    bool   `yaml:"fresh" jsonschema_description:"each must be younger than the beginning of the run"`
}

// Job is work for a Kubernetes cluster, which the operator's own kubectl is
// asked for. One Job is made per architecture, or one alone.
type Job struct {
	Name      Name     `yaml:"name" jsonschema:"required"`
	Manifest  string   `yaml:"manifest" jsonschema:"required" jsonschema_description:"file of one batch/v1 Job; may hold placeholders and {arch}; its name is chosen by gantry"`
	Kubectl   []string `yaml:"kubectl" jsonschema_description:"program and first arguments (default [kubectl]), such as [kubectl, --context, eks]"`
	Namespace Name     `yaml:"namespace" jsonschema_description:"default: that of the manifest, or of kubectl's context"`
	Arch      []Arch   `yaml:"architectures"`
	Proofs    []Proof  `yaml:"proofs" jsonschema:"required" jsonschema_description:"what must be there when the job ended well"`
	Timeout   Duration `yaml:"timeout" jsonschema_description:"after which it is stopped (default 6h)"`
	Never     Never    `yaml:"never"`
}

// Never names releases in which something must not be run, and says why.
type Never struct {
	Kinds   []string `yaml:"kinds" jsonschema_description:"of releases, such as patch"`
	Because string   `yaml:"because" jsonschema_description:"what an operator is told"`
}

// Closure is a run of dnf repoclosure over the repositories of a compose.
type Closure struct {
	Name    Name      `yaml:"name" jsonschema:"required"`
	Command Name      `yaml:"command" jsonschema:"required" jsonschema_description:"name of the command that runs it for one repository; its argv may hold {repo}, {arch} and {requires}"`
	Arch    []Arch    `yaml:"architectures" jsonschema:"required"`
	Repos   []Closing `yaml:"repos" jsonschema:"required"`
}

// Closing is a repository with those that it may take packages from.
type Closing struct {
	Name     string   `yaml:"name" jsonschema:"required"`
	Requires []string `yaml:"requires"`
}
