package repodata

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// NEVRA names a package: name, epoch, version, release and architecture, which
// is "src" for a source package. One that passes Check is safe as a file name.
type NEVRA struct {
	Name             string
	Epoch            int
	Version, Release string
	Arch             string
}

// The characters that rpmbuild allows in a spec, without those that only macros
// need; lengths so that a file and its sidecar fit a directory.
var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$`)
	labelForm = regexp.MustCompile(`^[A-Za-z0-9._+~^]{1,64}$`)
	archForm  = regexp.MustCompile(`^[a-z0-9_]{1,24}$`)
	epochForm = regexp.MustCompile(`^[0-9]{1,10}$`)
)

// maxFileName is the longest name of a package's file, which leaves room for
// ".sha256" in the 255 bytes of a directory entry.
const maxFileName = 240

// Check tells whether all parts are there, and none could harm as a path or on a
// terminal.
func (n NEVRA) Check() error {
	for _, part := range []struct {
		what, value string
		form        *regexp.Regexp
	}{
		{"name", n.Name, nameForm},
		{"version", n.Version, labelForm},
		{"release", n.Release, labelForm},
		{"architecture", n.Arch, archForm},
	} {
		if !part.form.MatchString(part.value) {
			return fmt.Errorf("package has a bad %s %q", part.what, clip(part.value))
		}
	}
	if file := n.Filename(); len(file) > maxFileName || strings.Contains(file, "..") {
		return fmt.Errorf("package has a bad name %q", clip(file))
	}
	return nil
}

// EVR is epoch:version-release, without the epoch where it is 0.
func (n NEVRA) EVR() string {
	if n.Epoch != 0 {
		return strconv.Itoa(n.Epoch) + ":" + n.Version + "-" + n.Release
	}
	return n.Version + "-" + n.Release
}

// String is name-epoch:version-release.arch, which is how dnf writes it.
func (n NEVRA) String() string { return n.Name + "-" + n.EVR() + "." + n.Arch }

// Filename is the customary name of the package's file, which has no epoch.
func (n NEVRA) Filename() string {
	return n.Name + "-" + n.Version + "-" + n.Release + "." + n.Arch + ".rpm"
}

// ParseEVR splits epoch:version-release as EVR writes it.
func ParseEVR(s string) (epoch int, version, release string, err error) {
	number, rest, found := strings.Cut(s, ":")
	if !found {
		number, rest = "0", s
	}
	version, release, _ = strings.Cut(rest, "-")
	if !epochForm.MatchString(number) || !labelForm.MatchString(version) || !labelForm.MatchString(release) {
		return 0, "", "", fmt.Errorf("%q is not epoch:version-release", clip(s))
	}
	if epoch, err = strconv.Atoi(number); err != nil || epoch > math.MaxInt32 {
		return 0, "", "", fmt.Errorf("%q has a bad epoch", clip(s))
	}
	return epoch, version, release, nil
}
