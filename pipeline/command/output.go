package command

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"gantry/config"
)

const (
	longest = 4 << 10 // bytes of one line that are kept together
	most    = 8 << 20 // bytes of output that are logged; a program that runs wild must not fill the disk
	told    = 300     // bytes of each last line that an error repeats
)

// Cut begins the line that takes the place of all that a program writes beyond what
// is kept: who reads what it says has not read all of it then.
const Cut = "what it says from here on is not kept"

// output takes what a program writes and logs it line by line, with its secrets
// masked.
type output struct {
	log  func(string, ...any)
	mask mask

	mu     sync.Mutex
	rest   []byte // of a line that has not ended
	hidden int    // how much of rest, from its start, belongs to a secret that was masked
	last   []string
	logged int
	ended  bool
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(b)
	for len(b) > 0 && !o.ended {
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			o.rest = append(o.rest, b...)
			break
		}
		o.rest = append(o.rest, b[:i]...)
		o.emit(len(o.rest))
		b = b[i+1:]
	}
	// The end of an open line may be the beginning of a secret: it waits.
	if held := max(0, o.mask.longest-1); len(o.rest) > longest+held {
		cut := len(o.rest) - held
		for back := 1; back < utf8.UTFMax && !utf8.RuneStart(o.rest[min(cut, len(o.rest)-1)]); back++ {
			cut--
		}
		o.emit(cut)
	}
	return n, nil
}

// end logs what is left; what a process writes that outlived the program is
// dropped.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emit(len(o.rest))
	o.ended = true
}

// emit logs rest up to cut, masked.
func (o *output) emit(cut int) {
	spans := o.mask.spans(o.rest)
	if o.hidden > 0 {
		spans = joined(append(spans, [2]int{0, o.hidden}))
	}
	var text strings.Builder
	at, hidden := 0, 0
	for _, s := range spans {
		if s[0] >= cut {
			break
		}
		text.Write(o.rest[at:s[0]])
		text.WriteString("***")
		at = min(s[1], cut)
		hidden = s[1] - at
	}
	text.Write(o.rest[at:cut])
	o.rest = append(o.rest[:0], o.rest[cut:]...)
	o.hidden = hidden
	line := text.String()
	if strings.TrimSpace(line) == "" {
		return
	}
	for len(line) > longest {
		head := clip(line, longest)
		o.say(head)
		line = line[len(head):]
	}
	o.say(line)
}

func (o *output) say(text string) {
	text = config.Inert(text)
	const kept = 3
	o.last = append(o.last, clip(text, told))
	o.last = o.last[max(0, len(o.last)-kept):]
	if o.logged > most {
		return
	}
	o.log("%s", text)
	if o.logged += len(text); o.logged > most {
		o.log("%s: it has written %d MiB", Cut, most>>20)
	}
}

// full tells whether what comes is not kept any more.
func (o *output) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.logged > most
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

// clip is the beginning of a text, of at most n bytes, which ends with a whole
// character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for back := 1; back < utf8.UTFMax && !utf8.RuneStart(text[n]); back++ {
		n--
	}
	return text[:n]
}
