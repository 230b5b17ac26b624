package config

import (
	"bytes"
	_ "embed"

	"gopkg.in/yaml.v3"
)

//go:embed example.yaml
var example []byte

// Example is a commented release.yaml for a product of this name, as gantry init
// writes it. It loads as it is; the keys it names are yet to be put there.
func Example(name Name) []byte {
	return bytes.Replace(example, []byte("product: NAME"), []byte("product: "+word(name)), 1)
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
