package config

import (
	"bytes"
	_ "embed"

	"gopkg.in/yaml.v3"
)

//go:embed example.yaml
var example []byte

//go:embed rocky.yaml
var rocky []byte

//go:embed build-iso.yaml
var buildISO []byte

// Rocky is the product whose example is a distribution: trees, composes and all
// that mirrors and release days want.
const Rocky Name = "rocky"

// Example is a commented release.yaml for a product of this name, as gantry init
// writes it; that of Rocky is its own. It loads as it is; the keys it names are yet
// to be put there.
func Example(name Name) []byte {
	text := example
	if name == Rocky {
		text = rocky
	}
	return bytes.Replace(text, []byte("product: NAME"), []byte("product: "+word(name)), 1)
}

// Beside are the files that Example of a name refers to and that go beside it, by
// their paths.
func Beside(name Name) map[string][]byte {
	if name != Rocky {
		return nil
	}
	return map[string][]byte{"jobs/build-iso.yaml": buildISO}
}

// word is how a name is written in YAML: plain, and in quotes where it would be
// a number or a truth otherwise.
func word(name Name) string {
	b, err := yaml.Marshal(string(name))
	if err != nil {
		panic(err) // a text can always be written
	}
	return string(bytes.TrimSpace(b))
}
