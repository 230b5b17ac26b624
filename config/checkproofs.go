package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
)

// editionWords are placeholders of any edition, with a word for each, to try
// texts with.
func editionWords(more ...string) map[string]string {
	words := (&Tree{Suffix: "-BETA"}).Placeholders(Edition{Major: 9, Minor: 7, Stream: Beta})
	for _, one := range more {
		words[one] = "x"
	}
	return words
}

// expands checks a text with placeholders, and returns it with words in their
// place.
func (c *checker) expands(at, text string, more ...string) (string, bool) {
	out, err := Expand(text, editionWords(more...))
	if err != nil && c.sound(at) {
		c.fail(at, err.Error(), HintOf(err))
	}
	return out, err == nil
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// proofs checks what must be there after a program.
func (c *checker) proofs(at string, all []Proof, arch bool) {
	var more []string
	if arch {
		more = []string{"arch"}
	}
	for i, p := range all {
		place := fmt.Sprintf("%s[%d]", at, i)
		if c.plain(place+".files", p.Files) {
			if out, ok := c.expands(place+".files", p.Files, append(more, "version", "kind", "target")...); ok {
				c.pattern(place+".files", out)
			}
			if _, key, remote := splitStore(p.Files); remote {
				if _, _, ok := c.r.StoreOf(p.Files); !ok || key == "" {
					c.fail(place+".files", quoted(p.Files)+" names no file of a store", "write store:NAME/KEY with a name of stores")
				}
			}
		}
		if c.given(place+".count") && c.sound(place+".count") && p.Count < 1 {
			c.fail(place+".count", fmt.Sprintf("count is %d: nothing would have to be there", p.Count), "write 1 or more")
		}
		if c.given(place + ".contains") {
			if c.sound(place+".contains") && p.Contains == "" {
				c.fail(place+".contains", "every file holds an empty text", "write what each must hold, or leave the key out")
			}
			c.expands(place+".contains", p.Contains, append(more, "version", "kind", "target")...)
		}
		switch {
		case !c.given(place+".sha256") || !c.sound(place+".sha256"):
		case !sha256Form.MatchString(p.SHA256):
			c.fail(place+".sha256", "this is no SHA-256 digest", "write 64 hex digits in lower case")
		case p.Count > 1:
			c.fail(place+".sha256", "one digest is of one file, and there must be several", "leave count or sha256 out")
		}
	}
}

// pattern checks a pattern of file names.
func (c *checker) pattern(at, pattern string) {
	if _, err := path.Match(pattern, ""); errors.Is(err, path.ErrBadPattern) {
		c.fail(at, quoted(pattern)+" is no pattern", `mend its brackets, or write \[ for one that is meant`)
	}
}
