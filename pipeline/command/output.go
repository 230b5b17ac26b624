package command

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"gantry/config"
)

// longest is how much of one line is kept together, in bytes.
const longest = 4 << 10

// output takes what a program writes and logs it line by line, with its secrets
// masked.
type output struct {
	log     func(string, ...any)
	secrets []string

	mu   sync.Mutex
	rest []byte
	last []string
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			o.rest = append(o.rest, b...)
			break
		}
		o.rest = append(o.rest, b[:i]...)
		o.line()
		b = b[i+1:]
	}
	if len(o.rest) > longest {
		o.line()
	}
	return n, nil
}

func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line()
}

// line logs what has gathered.
func (o *output) line() {
	text := string(o.rest)
	o.rest = o.rest[:0]
	if strings.TrimSpace(text) == "" {
		return
	}
	for _, s := range o.secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	for len(text) > longest {
		o.say(text[:longest])
		text = text[longest:]
	}
	o.say(text)
}

func (o *output) say(text string) {
	text = config.Inert(text)
	o.log("%s", text)
	const kept = 3
	o.last = append(o.last, text)
	o.last = o.last[max(0, len(o.last)-kept):]
}

// tail is the last lines, for an error.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == 0 {
		return "nothing"
	}
	return strings.Join(slices.Clone(o.last), " | ")
}
