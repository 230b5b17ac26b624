package config

import (
	"bytes"
	_ "embed"
)

//go:embed example.yaml
var example []byte

// Example is a commented release.yaml for a product of this name, as gantry init
// writes it. It loads as it is; the keys it names are yet to be put there.
func Example(name Name) []byte {
	return bytes.Replace(example, []byte("product: NAME"), []byte("product: "+string(name)), 1)
}
