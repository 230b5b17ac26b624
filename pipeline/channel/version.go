// Package channel finds what is staged for the wrong channel: a pre-release in a
// final release, a version lower than the one in production, another build of a
// version that is there. It reads names and versions only; what is in a package
// is its trade's matter.
package channel

import (
	"regexp"
	"strings"

	"gantry/config"
)

var (
	// early are the words of versions that came before a release, with the number
	// before them (1.0rc2, 20230101git) and the one after.
	early = regexp.MustCompile(`^[0-9]*(alpha|beta|rc|pre|preview|prerelease|dev|devel|snapshot|snap|nightly|canary|unstable|exp|git|svn|hg|bzr)[0-9]*$`)
	// commit is a commit as git describe writes it, or after a word: git1a2b3c4.
	commit = regexp.MustCompile(`^([0-9]*git|g)[0-9a-f]{7,40}$`)
	// zeroth is the release of an RPM before the first one: 0.3.rc1 of 1.0.
	zeroth = regexp.MustCompile(`^0\.[0-9]`)
)

// Prerelease tells whether a version is one before a release, and by what mark
// of it. In an RPM (version-release, with or without an epoch) that is anything
// after a ~ of the version and a release that begins with 0. and a digit; in any
// format words such as rc1, beta, dev, snapshot and the commit of a git
// snapshot. A ~ of Debian is none: ~bpo12 and ~22.04 are how it names the
// release that a package is built for.
func Prerelease(format config.Format, version string) (mark string, pre bool) {
	if _, rest, found := strings.Cut(version, ":"); found {
		version = rest
	}
	if format == config.FormatRPM {
		upstream, release := version, ""
		if i := strings.LastIndexByte(version, '-'); i >= 0 {
			upstream, release = version[:i], version[i+1:]
		}
		if i := strings.IndexByte(upstream, '~'); i >= 0 {
			return upstream[i:], true
		}
		if zeroth.MatchString(release) {
			return "release " + release, true
		}
	}
	for _, word := range strings.FieldsFunc(strings.ToLower(version), func(r rune) bool { return strings.ContainsRune(".+~^_-", r) }) {
		if early.MatchString(word) || commit.MatchString(word) {
			return word, true
		}
	}
	return "", false
}

// Final tells whether a release may hold no pre-releases: every one but those of
// kind beta and rc, and those whose own version is a pre-release.
func Final(kind, version string) bool {
	if kind == "beta" || kind == "rc" {
		return false
	}
	_, pre := Prerelease("", version)
	return !pre
}

// Package is a package as its file is named.
type Package struct {
	File    string
	Name    string
	Version string // of rpm with its release, of deb with its epoch where the name has it
	Arch    string
	Digest  string // SHA-256 of the file before it is signed, where it is known
}

var (
	rpmFile = regexp.MustCompile(`^(.+)-([^-]+-[^-]+)\.([A-Za-z0-9_]+)\.rpm$`)
	debFile = regexp.MustCompile(`^([a-z0-9][a-z0-9.+-]+)_([A-Za-z0-9.+~:%-]+)_([a-z0-9-]+)\.deb$`)
	epoch   = strings.NewReplacer("%3a", ":", "%3A", ":")
	archive = regexp.MustCompile(`\.(tar|tar\.gz|tgz)$`)
)

// Split reads the customary name of a package's file: name-version-release.arch.rpm
// or name_version_arch.deb; of an image's archive, for which there is no custom,
// all but its suffix is the version. It is false for any other name.
func Split(format config.Format, file string) (Package, bool) {
	p := Package{File: file}
	var m []string
	switch format {
	case config.FormatRPM:
		m = rpmFile.FindStringSubmatch(file)
	case config.FormatDEB:
		if m = debFile.FindStringSubmatch(file); m != nil {
			m[2] = epoch.Replace(m[2])
		}
	case config.FormatOCI:
		version := archive.ReplaceAllString(file, "")
		p.Version = version
		return p, version != file && version != ""
	}
	if m == nil {
		return p, false
	}
	p.Name, p.Version, p.Arch = m[1], m[2], m[3]
	return p, true
}
