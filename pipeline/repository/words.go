package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"gantry/storage"
)

// Count is a number with its noun.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Few joins a few of the texts and tells how many there are besides.
func Few(all []string, between string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, between)
	}
	return strings.Join(all[:most], between) + fmt.Sprintf("%sand %d more", between, len(all)-most)
}

// Clip shortens a foreign text for an error.
func Clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// Total is the size of files in bytes.
func Total(files []storage.File) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// Digest is the SHA-256 of the parts, one to a line, in lower-case hex.
func Digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}
