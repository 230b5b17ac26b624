package config

import (
	"fmt"
	"strings"
)

// Error is one thing wrong with a file that an operator wrote.
type Error struct {
	File string
	Line int
	Col  int
	What string // what is wrong
	Hint string // what to write instead
}

func (e Error) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.What)
	if e.Hint != "" {
		text += ", " + e.Hint
	}
	return text
}

// Errors is everything wrong with a file, one line each, in the file's order.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}
