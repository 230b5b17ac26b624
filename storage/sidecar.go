package storage

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// sidecarSuffix is what a sidecar's name has behind the artifact's.
const sidecarSuffix = ".sha256"

// maxSidecar bounds a sidecar, in bytes.
const maxSidecar = 4 << 10

// ParseSidecar reads the SHA-256 that a sidecar states of the file of that
// name, in lower case. It takes a bare digest in hex, as packyard writes, and
// lines of sha256sum: "<hex>  name", "<hex> *name" and "SHA256 (name) = <hex>".
// Lines may end in CRLF. All lines must be about that file and say the same.
func ParseSidecar(b []byte, name string) (string, error) {
	if len(b) > maxSidecar {
		return "", fmt.Errorf("%d bytes or more, at most %d", len(b), maxSidecar)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return "", errors.New("empty")
	}
	digest := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.Trim(line, " \t") == "" {
			continue
		}
		d, err := parseSidecarLine(line, name)
		if err != nil {
			return "", err
		}
		if digest != "" && digest != d {
			return "", errors.New("two different digests")
		}
		digest = d
	}
	return digest, nil
}

func parseSidecarLine(line, name string) (string, error) {
	if rest, ok := strings.CutPrefix(line, "SHA256 ("); ok {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return "", errors.New("SHA256 ( without its end")
		}
		if rest[:i] != name {
			return "", fmt.Errorf("it is about another file, %.80q", rest[:i])
		}
		return parseDigest(rest[i+len(") = "):])
	}
	digest, rest, named := strings.Cut(line, " ")
	d, err := parseDigest(strings.TrimRight(digest, "\t"))
	if err != nil {
		return "", err
	}
	if !named || strings.Trim(rest, " \t") == "" {
		return d, nil
	}
	if rest[0] != ' ' && rest[0] != '*' {
		return "", errors.New("neither a digest alone nor a line of sha256sum")
	}
	if rest[1:] != name {
		return "", fmt.Errorf("it is about another file, %.80q", rest[1:])
	}
	return d, nil
}

func parseDigest(s string) (string, error) {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 {
		return "", fmt.Errorf("%d characters that are no SHA-256 in hex (64 of 0-9 a-f)", len(s))
	}
	return strings.ToLower(s), nil
}
