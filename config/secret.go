package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var errLiteral = Hint(errors.New("a secret is given by reference, never in the file itself"), "write env:NAME or file:PATH")

var (
	errVariable   = Hint(errors.New("env: wants the name of an environment variable"), "use letters, digits and _, such as env:GANTRY_PASSPHRASE, and put the secret into that variable")
	errSecretPath = Hint(errors.New("file: wants a path without control characters"), "write one such as file:keys/lts.key")
)

// variableForm is how an environment variable is named.
var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

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
	switch {
	case !ok || kind != "env" && kind != "file" || name == "":
		return errLiteral
	case kind == "env" && !variableForm.MatchString(name):
		return errVariable
	case Inert(name) != name:
		return errSecretPath
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
		var err error
		if b, err = readBounded(s.file(dir)); err != nil {
			return nil, Hint(fmt.Errorf("secret %s: %w", s.ref, err), "put the secret into that file, readable by you alone")
		}
		if len(b) > largest {
			return nil, Hint(fmt.Errorf("secret %s: the file has more than %d bytes", s.ref, largest), "name the file of the secret alone")
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

// file is the absolute path of a secret that is kept in a file, else empty.
func (s Secret) file(dir string) string {
	name, ok := strings.CutPrefix(s.ref, "file:")
	switch {
	case !ok:
		return ""
	case !filepath.IsAbs(name):
		name = filepath.Join(dir, name)
	}
	return filepath.Clean(name)
}

// readBounded reads a file that an operator wrote, at most one byte more than
// largest. What is no regular file is an error: a pipe would wait for ever.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, largest+1))
}
