package storage

import (
	"fmt"
	"strings"
)

// CheckKey tells why a key is not one: keys are relative, with '/' between
// segments that CheckName accepts.
func CheckKey(key string) error {
	if len(key) > 4096 {
		return fmt.Errorf("a key of %d bytes: at most 4096", len(key))
	}
	for segment := range strings.SplitSeq(key, "/") {
		if err := CheckName(segment); err != nil {
			if segment == key {
				return err
			}
			return fmt.Errorf("key %.100q: %w", key, err)
		}
	}
	return nil
}

// CheckName tells why a name is not fit to be one segment of a key: a name has
// 1 to 255 bytes of letters, digits and . _ + ~ ^ : @ = , - and is neither . nor
// .., nor starts with - or .tmp-. So it is the same name in a path, in a URL, as
// an argument and on a screen.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an empty name")
	case name == "." || name == "..":
		return fmt.Errorf("the name %q", name)
	case len(name) > 255:
		return fmt.Errorf("a name of %d bytes: at most 255", len(name))
	case name[0] == '-':
		return fmt.Errorf("the name %q starts with -", name)
	case strings.HasPrefix(name, tempPrefix):
		return fmt.Errorf("the name %q starts with %s", name, tempPrefix)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("the name %q has more in it than letters, digits and . _ + ~ ^ : @ = , -", name)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("._+~^:@=,-", c) >= 0
}

// splitKey divides a checked key into its directory ("" at the top) and name.
func splitKey(key string) (dir, name string) {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}
