package demo

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gantry/config"
)

// target is a target of the demo.
type target struct {
	name   string
	format config.Format
	os     string // of rpm: operating system and architecture; of deb: the suite
	policy string // of rpm and deb
}

// targets are all targets that a demo can have.
var targets = []target{
	{"core-el9", config.FormatRPM, "el9-x86_64", "accumulate"},
	{"core-el9-arm", config.FormatRPM, "el9-aarch64", "replace"},
	{"core-noble", config.FormatDEB, "noble", "accumulate"},
	{"core-bookworm", config.FormatDEB, "bookworm", "accumulate"},
	{"core-image", config.FormatOCI, "", ""},
}

// targetsOf are the targets of some formats.
func targetsOf(formats []config.Format) []target {
	return slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(formats, t.format) })
}

// targetsIn are the targets that a configuration has.
func targetsIn(cfg *config.Release) []target {
	return slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
		_, ok := cfg.Target(t.name)
		return !ok
	})
}

// arch is the architecture of an RPM target.
func (t target) arch() string { return config.OS(t.os).Arch() }

// path is the directory of a target below served, "" of an image. The suites of
// deb share theirs.
func (t target) path() string {
	switch t.format {
	case config.FormatRPM:
		return "rpm/core/2025/" + t.os
	case config.FormatDEB:
		return "deb/core/2025"
	}
	return ""
}

// url is where clients reach the directory of a target: the directory itself, or
// the server of a demo whose files are in a bucket.
func (t target) url(o Options, home string) string {
	if o.Bucket != nil {
		return "http://" + home + "/" + t.path()
	}
	return fileURL(filepath.Join(o.Dir, "served", filepath.FromSlash(t.path())))
}

// build builds what version brings to a target.
func (t target) build(dir, product, version string, now time.Time) error {
	switch t.format {
	case config.FormatRPM:
		return build(dir, product, version, t, now)
	case config.FormatDEB:
		for _, s := range suites {
			if s.name == t.os {
				return buildDebs(dir, product, version, s, now)
			}
		}
	case config.FormatOCI:
		return buildImages(dir, product, version, now)
	}
	return fmt.Errorf("build the packages of %s: nobody knows how", t.name)
}

// replaces tells whether a staged file of a target has to go before those of the
// next version are staged: where what is staged is the whole target, the one
// that moved.
func (t target) replaces(file string) bool {
	switch t.format {
	case config.FormatOCI:
		return true
	default:
		return t.policy == "replace" && strings.Contains(file, "-minion-")
	}
}

// packagesDir is where the packages of a version for a target lie before they
// are staged.
func packagesDir(dir, version, target string) string {
	return filepath.Join(dir, "packages", version, target)
}

// archOf is the architecture that a file is staged for; "" where a target has
// one alone.
func (t target) archOf(file string) string {
	if t.format == config.FormatOCI {
		for _, m := range machines {
			if strings.HasSuffix(file, "_"+m.name+".tar") {
				return m.name
			}
		}
	}
	return ""
}

func fileURL(path string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String()
}
