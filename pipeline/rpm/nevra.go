package rpm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// NEVRA names a package: name, epoch, version, release and architecture, which
// is "src" for a source package. One that a Header gave is safe as a file name.
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

// NEVRA is the name of the package. A name that could harm as a path or on a
// terminal is an error.
func (h *Header) NEVRA() (NEVRA, error) {
	n := NEVRA{
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
			return NEVRA{}, errors.New("package has a bad epoch")
		}
		n.Epoch = int(epoch[0])
	}
	return n, n.check()
}

func (n NEVRA) check() error {
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

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
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

// CompareEVR orders two texts of the form epoch:version-release as rpm does:
// -1 where a is older, 1 where it is newer, 0 where rpm holds them equal. What
// is missing is the lowest.
func CompareEVR(a, b string) int {
	ea, va, ra := splitEVR(a)
	eb, vb, rb := splitEVR(b)
	return cmp.Or(compareVersions(ea, eb), compareVersions(va, vb), compareVersions(ra, rb))
}

// splitEVR is rpm's parseEVR: digits before a colon are the epoch, what follows
// the last dash is the release.
func splitEVR(s string) (epoch, version, release string) {
	if digits := strings.TrimLeft(s, "0123456789"); strings.HasPrefix(digits, ":") {
		epoch, s = s[:len(s)-len(digits)], digits[1:]
	}
	if epoch == "" {
		epoch = "0"
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:]
	}
	return epoch, s, ""
}

// compareVersions is rpm's rpmvercmp: runs of digits and of letters, one by one;
// numbers by value and above letters; ~ below the end of the text, ^ above the
// end and below anything else.
func compareVersions(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" || b != "" {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)

		ta, tb := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~")
		if ta || tb {
			if !ta || !tb {
				return choose(ta, -1, 1)
			}
			a, b = a[1:], b[1:]
			continue
		}
		ca, cb := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^")
		if ca || cb {
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case !ca || !cb:
				return choose(ca, -1, 1)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			break
		}

		kind := isLetter
		if number := isDigit(rune(a[0])); number {
			kind = isDigit
		}
		ra, rb := run(a, kind), run(b, kind)
		if rb == "" { // a number and a word
			return choose(isDigit(rune(a[0])), 1, -1)
		}
		a, b = a[len(ra):], b[len(rb):]
		if isDigit(rune(ra[0])) {
			ra, rb = strings.TrimLeft(ra, "0"), strings.TrimLeft(rb, "0")
			if c := cmp.Compare(len(ra), len(rb)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(ra, rb); c != 0 {
			return c
		}
	}
	return cmp.Compare(min(len(a), 1), min(len(b), 1))
}

func choose(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// run is the longest prefix of characters of one kind.
func run(s string, kind func(rune) bool) string {
	return s[:len(s)-len(strings.TrimLeftFunc(s, kind))]
}

func isDigit(r rune) bool  { return r >= '0' && r <= '9' }
func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isSeparator(r rune) bool { return !isDigit(r) && !isLetter(r) && r != '~' && r != '^' }
