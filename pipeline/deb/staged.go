package deb

import (
	"os"

	"gantry/config"
)

// Arch reads the architecture of a package that is to be staged: amd64; empty for
// one that goes with every architecture.
func Arch(file *os.File) (string, error) {
	p, err := readHead(file)
	if err != nil {
		return "", config.Hint(err, "stage .deb files for a suite")
	}
	if p.Arch == "all" {
		return "", nil
	}
	return p.Arch, nil
}
