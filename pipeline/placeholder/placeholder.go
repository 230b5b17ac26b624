// Package placeholder is the words in braces that arguments and manifests of the
// configuration may hold, and what they stand for in a release.
package placeholder

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// ofEditions are those that stand for nothing in a release that is of no edition.
var ofEditions = []string{"major", "minor", "revision", "suffix", "stream", "rc-flag"}

// Known are the placeholders that mean something to gantry everywhere; a text may
// hold any other word in braces, such as the {} of find, which is left alone.
var Known = append([]string{"version", "kind", "target", "arch"}, ofEditions...)

// Words are what placeholders stand for in a release and an item of it: those of
// the edition, as the tree has it that the item is bound to, or the first of the
// release's trees that takes it; {version}, {kind} and {target}.
func Words(env *pipeline.Env, target string) map[string]string {
	words := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			words[name] = value
		}
	}
	if e, err := config.ParseEdition(env.Version); err == nil {
		tree := treeOf(env, target, e)
		if tree == nil && e.Stream == config.Stable {
			tree = &config.Tree{} // nothing of the tree is in its words
		}
		if tree != nil {
			words = tree.Placeholders(e)
		}
	}
	set("version", env.Version)
	set("kind", env.Kind)
	set("target", target)
	return words
}

func treeOf(env *pipeline.Env, target string, e config.Edition) (tree *config.Tree) {
	if env.Targets == nil {
		return nil
	}
	for _, t := range env.Targets() {
		if t.Tree == nil || !t.Tree.Serves(e) {
			continue
		}
		if string(t.Name) == target {
			return t.Tree
		}
		if tree == nil {
			tree = t.Tree
		}
	}
	return tree
}

var form = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// Expand puts words in the place of their placeholders. One of Known that stands
// for nothing here is an error; what is neither known nor among the words is no
// placeholder and stays.
func Expand(text string, words map[string]string) (string, error) {
	var missing string
	out := form.ReplaceAllStringFunc(text, func(p string) string {
		name := strings.Trim(p, "{}")
		if word, ok := words[name]; ok {
			return word
		}
		if missing == "" && slices.Contains(Known, name) {
			missing = p
		}
		return p
	})
	if missing == "" {
		return out, nil
	}
	hint := "only a run for one architecture has it: write architectures"
	if missing != "{arch}" {
		hint = "it is known in a release of an edition that a tree takes, such as 9.7-RC2"
	}
	return "", config.Hint(fmt.Errorf("%q holds %s, which stands for nothing here", config.Inert(text), missing), hint)
}

// Arguments expands the arguments of a program. One that holds placeholders and
// expands to nothing is left out, so that {rc-flag} can be an argument of its own.
func Arguments(argv []string, words map[string]string) ([]string, error) {
	all := make([]string, 0, len(argv))
	for _, a := range argv {
		got, err := Expand(a, words)
		if err != nil {
			return nil, err
		}
		if got != "" || a == "" {
			all = append(all, got)
		}
	}
	return all, nil
}
