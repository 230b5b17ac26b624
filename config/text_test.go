package config_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"gantry/config"
)

func TestInert(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                  "plain",
		"größe 日本":               "größe 日本",
		"a\tb":                   "a b",
		"a\nb\r":                 `a\x0ab\x0d`,
		"\x1b[31mred":            `\x1b[31mred`,
		"\x1b]52;c;aGk=\x07":     `\x1b]52;c;aGk=\x07`,
		"\u009b31m":              `\x9b31m`,
		"\x9b31m":                `\x9b31m`,
		"rpm\u202egpj":           `rpm\u202egpj`,
		"zero\u200bwidth\u2028x": `zero\u200bwidth\u2028x`,
		"\xff":                   `\xff`,
	} {
		if got := config.Inert(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzInert(f *testing.F) {
	f.Add("\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := config.Inert(s)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool {
			return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
		}) {
			t.Errorf("%q became %q", s, out)
		}
		if again := config.Inert(out); again != out {
			t.Errorf("%q is not stable: %q", out, again)
		}
	})
}

func TestHint(t *testing.T) {
	err := config.Hint(io.ErrUnexpectedEOF, "try again")
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != io.ErrUnexpectedEOF.Error() || config.HintOf(err) != "try again" {
		t.Errorf("%v, hint %q", err, config.HintOf(err))
	}
	if config.Hint(nil, "x") != nil || config.HintOf(io.EOF) != "" {
		t.Error("a hint out of nothing")
	}
}
