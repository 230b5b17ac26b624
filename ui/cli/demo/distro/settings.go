package distro

import (
	_ "embed"
	"strings"
)

//go:embed release.yaml
var releaseYAML string

// settings is the release.yaml of a demo; address is where its world is.
func settings(product, address string) string {
	return strings.NewReplacer("PRODUCT", product, "ADDRESS", address).Replace(releaseYAML)
}
