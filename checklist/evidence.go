package checklist

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gantry/config"
)

// Wants is the form that the note of a tick must hold somewhere.
type Wants string

// Forms of evidence.
const (
	WantsURL    Wants = "url"    // an http or https URL
	WantsDigest Wants = "digest" // SHA-256 or SHA-512 in hex
	WantsID     Wants = "id"     // a word with a digit in it, such as ami-0abc or Rocky-9.7-20251121.101500
	WantsText   Wants = "text"   // anything
)

var wants = []Wants{WantsURL, WantsDigest, WantsID, WantsText}

var (
	digestForm   = regexp.MustCompile(`\b([0-9a-fA-F]{64}|[0-9a-fA-F]{128})\b`)
	evidenceForm = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9._:/-]*[0-9]|[0-9][0-9._:/-]*[A-Za-z]|[0-9]{3}|[0-9]\.[0-9]`)
)

// Accepts tells why a note is not the evidence that an item wants, or nil.
func (it Item) Accepts(note string) error {
	what := ""
	switch it.Wants {
	case WantsURL:
		if !slices.ContainsFunc(strings.Fields(note), isURL) {
			what = "a URL, beginning with https:// or http://"
		}
	case WantsDigest:
		if !digestForm.MatchString(note) {
			what = "a SHA-256 digest, in 64 hex digits"
		}
	case WantsID:
		if !evidenceForm.MatchString(note) {
			what = "an id, such as ami-0123abcd or 9.7.20251121"
		}
	}
	if what == "" {
		return nil
	}
	return config.Hint(fmt.Errorf("the note of %s lacks %s", it.Title, what), "it asks for: "+it.Asks)
}

func isURL(word string) bool {
	u, err := url.Parse(strings.Trim(word, `<>()[],;."'`))
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && strings.ContainsAny(u.Host, ".:")
}
