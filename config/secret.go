package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var errLiteral = Hint(errors.New("a secret is given by reference, never in the file itself"), "write env:NAME or file:PATH")

// Secret is a reference to a secret, env:NAME or file:PATH. Only Reveal gets at
// what it names.
type Secret struct{ ref string }

// Reference is how the configuration names the secret, which is safe to show.
func (s Secret) Reference() string { return s.ref }

// IsZero tells whether no reference was given.
func (s Secret) IsZero() bool { return s.ref == "" }

// UnmarshalText reads a reference. A literal secret is refused, and not repeated
// in the error.
func (s *Secret) UnmarshalText(text []byte) error {
	kind, name, ok := strings.Cut(string(text), ":")
	if !ok || kind != "env" && kind != "file" || name == "" {
		return errLiteral
	}
	s.ref = string(text)
	return nil
}

// Reveal reads the secret; relative paths start at dir. One newline at the end
// is left out. An empty secret is an error.
func (s Secret) Reveal(dir string) ([]byte, error) {
	kind, name, _ := strings.Cut(s.ref, ":")
	var b []byte
	switch kind {
	case "env":
		b = []byte(os.Getenv(name))
		if len(b) == 0 {
			return nil, Hint(fmt.Errorf("secret %s: the environment has no %s", s.ref, name), "export "+name+" before starting gantry")
		}
	case "file":
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		var err error
		if b, err = os.ReadFile(name); err != nil {
			return nil, Hint(fmt.Errorf("secret %s: %w", s.ref, err), "put the secret into that file, readable by you alone")
		}
		b = []byte(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))
		if len(b) == 0 {
			return nil, Hint(fmt.Errorf("secret %s: the file is empty", s.ref), "put the secret into it")
		}
	default:
		return nil, fmt.Errorf("no secret is configured")
	}
	return b, nil
}
