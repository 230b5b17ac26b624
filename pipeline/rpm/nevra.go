package rpm

import (
	"errors"
	"math"
	"strings"

	"gantry/pipeline/repodata"
)

// NEVRA is the name of the package. A name that could harm as a path or on a
// terminal is an error.
func (h *Header) NEVRA() (repodata.NEVRA, error) {
	n := repodata.NEVRA{
		Name:    strings.Clone(h.Str(tagName)), // else it would hold the whole header in memory
		Version: strings.Clone(h.Str(tagVersion)),
		Release: strings.Clone(h.Str(tagRelease)),
		Arch:    strings.Clone(h.Str(tagArch)),
	}
	if h.IsSource() {
		n.Arch = "src"
	}
	if h.Has(tagEpoch) {
		epoch := h.Uint32s(tagEpoch)
		if len(epoch) != 1 || epoch[0] > math.MaxInt32 {
			return repodata.NEVRA{}, errors.New("package has a bad epoch")
		}
		n.Epoch = int(epoch[0])
	}
	return n, n.Check()
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
