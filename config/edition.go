package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Stream is the kind of an edition of a distribution.
type Stream string

// Streams of editions.
const (
	Stable    Stream = "stable"    // also its release candidates
	Beta      Stream = "beta"      // of the next minor version
	LookAhead Stream = "lookahead" // what comes after that; lh in short
)

// UnmarshalText reads a stream.
func (s *Stream) UnmarshalText(b []byte) error {
	if string(b) == "lh" {
		b = []byte(LookAhead)
	}
	return choose(s, b, Stable, Beta, LookAhead)
}

// Edition is a version of a distribution such as 8.10, 9.7-RC2, 9.8-beta or
// 10.2-LookAhead. A serial after it, as in 9.7-20251202, tells patch days apart
// and is part of no directory.
type Edition struct {
	Major, Minor int
	Stream       Stream
	RC           int    // of a release candidate, else 0
	Serial       string // digits, may be empty
}

// suffixForm is that of directories of betas and lookaheads.
var suffixForm = regexp.MustCompile(`^[-._][A-Za-z0-9._-]{1,30}$`)

var editionForm = regexp.MustCompile(`^([1-9][0-9]?)\.(0|[1-9][0-9]?)(?:-(?i:rc([1-9][0-9]?)|(beta)|(lookahead|lh)))?(?:-([0-9]{1,8}))?$`)

// ParseEdition reads a version as an operator gives it.
func ParseEdition(version string) (Edition, error) {
	m := editionForm.FindStringSubmatch(version)
	if m == nil {
		return Edition{}, Hint(fmt.Errorf("%s is no version of a distribution", quoted(version)),
			"known are MAJOR.MINOR, alone or with -RC1, -beta, -lookahead or -lh, and then the serial of a patch day: 8.10, 9.7-RC2, 9.8-beta, 10.2-lh, 9.7-20251202")
	}
	e := Edition{Stream: Stable, Serial: m[6]}
	e.Major, _ = strconv.Atoi(m[1]) // the form lets nothing else through
	e.Minor, _ = strconv.Atoi(m[2])
	e.RC, _ = strconv.Atoi(m[3])
	switch {
	case m[4] != "":
		e.Stream = Beta
	case m[5] != "":
		e.Stream = LookAhead
	}
	return e, nil
}

// Revision is the version without what follows it: 9.7.
func (e Edition) Revision() string { return fmt.Sprintf("%d.%d", e.Major, e.Minor) }

// Placeholders are the words in braces that a path or an argument of a
// configuration may hold, and what they stand for in an edition of a tree:
// {major}, {minor}, {revision}, {suffix} (as the tree has it: -RC2, -beta, or
// nothing), {stream}. {rc-flag} is --rc for what is not final, else nothing.
func (t *Tree) Placeholders(e Edition) map[string]string {
	words := map[string]string{
		"major": strconv.Itoa(e.Major), "minor": strconv.Itoa(e.Minor), "revision": e.Revision(),
		"stream": string(e.Stream), "suffix": "", "rc-flag": "",
	}
	switch {
	case e.Stream != Stable:
		words["suffix"], words["rc-flag"] = t.Suffix, "--rc"
	case e.RC > 0:
		words["suffix"], words["rc-flag"] = "-RC"+strconv.Itoa(e.RC), "--rc"
	}
	return words
}

var placeholderForm = regexp.MustCompile(`\{[^{}]*\}`)

// Expand puts words in the place of their placeholders. One that is not known is
// an error, as is a brace without its other half.
func Expand(text string, words map[string]string) (string, error) {
	var unknown string
	out := placeholderForm.ReplaceAllStringFunc(text, func(p string) string {
		word, ok := words[p[1:len(p)-1]]
		if !ok && unknown == "" {
			unknown = p
		}
		return word
	})
	if unknown == "" && strings.ContainsAny(placeholderForm.ReplaceAllString(text, ""), "{}") {
		unknown = "a brace alone"
	}
	if unknown != "" {
		known := make([]string, 0, len(words))
		for name := range words {
			known = append(known, "{"+name+"}")
		}
		slices.Sort(known)
		return "", Hint(fmt.Errorf("%s holds %s, which stands for nothing here", quoted(text), unknown), "known are "+strings.Join(known, " "))
	}
	return out, nil
}

// Serves tells whether a tree is the one of an edition.
func (t *Tree) Serves(e Edition) bool { return t.Major == e.Major && t.Stream == e.Stream }

// Fits refuses an edition that a release of a kind cannot be of: a beta must be
// one, a release candidate has a number, what is final is neither.
func (e Edition) Fits(kind string) error {
	wants := ""
	switch {
	case kind == "beta" && e.Stream == Stable:
		wants = "a beta or lookahead, such as 9.8-beta"
	case kind == "rc" && (e.Stream != Stable || e.RC == 0):
		wants = "a release candidate, such as 9.7-RC2"
	case (kind == "final" || kind == "patch" || kind == "promote" || kind == "release-day") && e.Stream != Stable:
		wants = "a stable version, such as 9.7, or 9.7-RC2 where that is what staging holds"
	}
	if wants == "" {
		return nil
	}
	return Hint(fmt.Errorf("a release of kind %s is not of %s %s", kind, e.Stream, e.Revision()), "name "+wants)
}
