package rpm

import (
	"os"

	"gantry/config"
)

// Arch reads the architecture of a package that is to be staged; empty for a
// noarch one, which goes with every architecture.
func Arch(file *os.File) (string, error) {
	h, err := ReadHeader(file)
	if err != nil {
		return "", config.Hint(damaged(err), "stage .rpm files for an RPM repository")
	}
	n, err := h.NEVRA()
	if err != nil {
		return "", err
	}
	if n.Arch == "noarch" {
		return "", nil
	}
	return n.Arch, nil
}
