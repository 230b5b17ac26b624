package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Envelope is one journal entry round bytes whose meaning the journal does not
// know.
type Envelope struct {
	Seq     uint64          `json:"seq"`               // from 1, without gaps
	Prev    string          `json:"prev"`              // SHA-256 of the entry before, as stored; empty for the first
	Time    time.Time       `json:"time"`              // UTC, of the writer's clock
	Actor   string          `json:"actor"`             // who
	Host    string          `json:"host"`              // on which machine
	Nonce   string          `json:"nonce"`             // never repeats: tells our own write from another's
	Release string          `json:"release,omitempty"` // the release it is about, if it is about one
	Type    string          `json:"type"`              // what happened
	Data    json.RawMessage `json:"data,omitempty"`    // the rest, by type

	Hash string `json:"-"` // SHA-256 of this entry as stored
}

// Bounds of an entry.
const (
	maxEntry = 1 << 20 // bytes, as stored
	maxDepth = 64      // of nested values
)

// errTorn says that an entry is not whole: what a write leaves that lost its
// power, and nothing else does.
var errTorn = errors.New("the entry is torn: empty, cut short or zeros")

// Encode is the stored form of an entry: one line of JSON without spaces,
// fields in the order of Envelope.
func (e Envelope) Encode() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode a journal entry: %w", err)
	}
	if len(b)+1 > maxEntry {
		return nil, fmt.Errorf("encode a journal entry: %d bytes, at most %d", len(b)+1, maxEntry)
	}
	return append(b, '\n'), nil
}

// DecodeEnvelope reads the stored form of an entry and sets its Hash. It takes
// exactly what Encode makes: unknown keys, keys twice or in other case, spaces
// and trailing data are errors. It does not compare Prev with anything.
func DecodeEnvelope(b []byte) (Envelope, error) {
	var e Envelope
	switch {
	case len(b) > maxEntry:
		return e, fmt.Errorf("%d bytes, at most %d", len(b), maxEntry)
	case bytes.IndexByte(b, 0) >= 0, len(b) == 0, b[len(b)-1] != '\n':
		return e, errTorn
	case !utf8.Valid(b):
		return e, errors.New("not UTF-8")
	}
	if err := checkJSON(b, maxDepth); err != nil {
		return e, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	if again, err := e.Encode(); err != nil || !bytes.Equal(again, b) {
		return e, errors.New("not written as the journal writes")
	}
	switch {
	case e.Seq == 0:
		return e, errors.New("no sequence number")
	case e.Nonce == "":
		return e, errors.New("no nonce")
	case e.Type == "":
		return e, errors.New("no type")
	case e.Time.Location() != time.UTC:
		return e, errors.New("the time is not in UTC")
	case (e.Prev == "") != (e.Seq == 1):
		return e, errors.New("only the first entry follows none")
	case e.Prev != "" && !isDigest(e.Prev):
		return e, errors.New("the hash of the entry before is none")
	}
	e.Hash = digestOf(b)
	return e, nil
}

// checkJSON walks one JSON value and refuses what encoding/json lets pass: the
// same key twice in one object, deep nesting, data after the value.
func checkJSON(b []byte, depth int) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		keys map[string]bool // nil in arrays
		key  bool            // a key comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil && t != json.Delim('}') {
			top := &stack[n-1]
			if top.key {
				k := t.(string)
				if top.keys[k] {
					return fmt.Errorf("the key %q twice", k)
				}
				top.keys[k] = true
			}
			top.key = !top.key
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > depth {
			return fmt.Errorf("nested more than %d deep", depth)
		}
		if len(stack) == 0 {
			break
		}
	}
	if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
		return errors.New("data after the value")
	}
	return nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// isDigest tells whether s is a SHA-256 in lower-case hex.
func isDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
