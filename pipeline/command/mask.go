package command

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortest is how many bytes a line of a secret has at least that is masked. What
// is shorter stands in too much other text, and is quickly guessed anyway.
const shortest = 4

// mask finds secrets in lines of text.
type mask struct {
	words   []string
	longest int // bytes of the longest word
}

// newMask looks for every line of each secret, and as a second line of defence
// for the whole of it as base64 (standard and for URLs, alone or within more,
// such as the credentials of basic authentication), escaped for a URL, and
// quoted. What a program changes otherwise is not known again.
func newMask(secrets []string) mask {
	var m mask
	add := func(word string) {
		if word = strings.TrimSpace(word); len(word) >= shortest && !slices.Contains(m.words, word) {
			m.words = append(m.words, word)
			m.longest = max(m.longest, len(word))
		}
	}
	for _, secret := range secrets {
		for _, line := range strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
			add(line)
		}
		s := strings.TrimSpace(secret)
		if len(s) < shortest {
			continue
		}
		add(url.QueryEscape(s))
		add(url.PathEscape(s))
		add(strings.Trim(strconv.Quote(s), `"`))
		for _, form := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			add(form.EncodeToString([]byte(s)))
			for before := range 3 { // bytes that share the first group of three
				whole := form.EncodeToString(append(make([]byte, before), s...))
				add(whole[(before*8+5)/6 : (before+len(s))*8/6]) // without what neighbours change
			}
		}
	}
	return m
}

// spans are the parts of a text that hold secrets, in order and apart.
func (m mask) spans(text []byte) (all [][2]int) {
	for _, word := range m.words {
		for from := 0; ; {
			i := bytes.Index(text[from:], []byte(word))
			if i < 0 {
				break
			}
			all = append(all, [2]int{from + i, from + i + len(word)})
			from += i + 1
		}
	}
	return joined(all)
}

// joined sorts spans and makes one of those that meet.
func joined(all [][2]int) [][2]int {
	slices.SortFunc(all, func(a, b [2]int) int { return a[0] - b[0] })
	n := 0
	for _, s := range all {
		if n > 0 && s[0] <= all[n-1][1] {
			all[n-1][1] = max(all[n-1][1], s[1])
			continue
		}
		all[n] = s
		n++
	}
	return all[:n]
}
