package repodata

import (
	"bytes"
	"errors"
	"io"
)

var errElement = errors.New("an element is too large")

// scanner holds the part of a document that is looked at. What its methods return
// is good until the next one is called.
type scanner struct {
	r   io.Reader
	buf []byte
	at  int   // of buf, from where it is not read
	end error // of r
}

// rest is what was read and not taken.
func (s *scanner) rest() []byte { return s.buf[s.at:] }

// more reads more, without losing what was not taken: never more than an element
// may have.
func (s *scanner) more() error {
	if s.end != nil {
		return s.end
	}
	if s.at > 0 {
		s.buf = s.buf[:copy(s.buf, s.rest())]
		s.at = 0
	}
	if len(s.buf) > maxElement {
		return errElement
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, min(max(128<<10, 2*cap(s.buf)), maxElement+1)), s.buf...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if s.end = err; n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// upto takes what stands before a mark, and leaves the mark.
func (s *scanner) upto(mark []byte) ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.Index(s.rest()[seen:], mark); i >= 0 {
			s.at += seen + i
			return s.buf[s.at-seen-i : s.at], nil
		}
		seen = max(0, len(s.rest())-len(mark)+1)
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// starts tells whether what comes begins with text.
func (s *scanner) starts(text string) bool {
	for len(s.rest()) < len(text) {
		if s.more() != nil {
			return false
		}
	}
	return string(s.rest()[:len(text)]) == text
}

// between takes what stands between two marks, of which the first comes now.
func (s *scanner) between(from, to string) ([]byte, error) {
	s.at += len(from)
	text, err := s.upto([]byte(to))
	if err == nil {
		s.at += len(to)
	}
	return text, cut(err)
}

// cut is the error of a document that ends too early.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// tag takes a tag, and returns what stands between its angles. An angle in quotes
// does not end it.
func (s *scanner) tag() ([]byte, error) {
	quote := byte(0)
	for i := 1; ; i++ {
		for s.at+i >= len(s.buf) {
			if err := s.more(); err != nil {
				return nil, cut(err)
			}
		}
		switch c := s.buf[s.at+i]; {
		case c == '<':
			return nil, errors.New("an angle in a tag")
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			s.at += i + 1
			return s.buf[s.at-i : s.at-1], nil
		}
	}
}
