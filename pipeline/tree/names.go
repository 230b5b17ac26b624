package tree

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"gantry/config"
)

// Names of files in the making end so: mirrors and the makers of file lists skip
// them.
const unfinished = ".~tmp~"

// plainName refuses names that would break the lists that mirrors read, or a
// screen: those with control characters, and what is no UTF-8.
func plainName(name string) error {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == 0x7f || c >= utf8.RuneSelf && config.Inert(name) != name {
			return config.Hint(fmt.Errorf("the name %q cannot be in a tree: lists for mirrors have one name a line, of plain UTF-8", name),
				"rename it, or exclude it")
		}
	}
	return nil
}

// ours tells whether a name is that of a file in the making which a sync left
// that was interrupted: .NAME.RANDOM.~tmp~
func ours(name string) bool {
	rest, ok := strings.CutSuffix(name, unfinished)
	if !ok || !strings.HasPrefix(rest, ".") {
		return false
	}
	word := rest[strings.LastIndexByte(rest, '.')+1:]
	return len(word) == 14 && strings.HasPrefix(word, "g") && strings.Trim(word[1:], "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// excludes tells what a sync leaves alone, on both sides.
type excludes []string

// skips tells whether a path is left alone, with all below it. A pattern without
// a slash is of names; any other is a path from the top.
func (x excludes) skips(dir, name string) bool {
	if strings.HasSuffix(name, unfinished) || strings.HasPrefix(name, ".nfs") {
		return true
	}
	for _, pattern := range x {
		if !strings.Contains(pattern, "/") {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
			continue
		}
		at := change{dir: dir, name: name}
		if at.path() == strings.Trim(pattern, "/") {
			return true
		}
	}
	return false
}

// stage is when a path is dealt with: nobody must find metadata that names what
// is not there.
type stage byte

const (
	content  stage = iota // packages, images, all that others name
	metadata              // what names content: documents of repositories, checksums, links
	heads                 // repomd.xml and its signature, which name the documents
)

// stageOf tells when a file or link comes into its place.
func stageOf(dir, name string, k kind) stage {
	if path.Base(dir) == "repodata" {
		if strings.HasPrefix(name, "repomd.xml") {
			return heads
		}
		return metadata
	}
	switch {
	case k == symlink, strings.HasPrefix(name, ".treeinfo"), name == ".discinfo", name == "media.repo",
		name == "CHECKSUM", strings.HasPrefix(name, "CHECKSUM."), strings.HasSuffix(name, ".CHECKSUM"):
		return metadata
	}
	return content
}

// partOf is the part of a tree that a path is in: a repository with its
// architecture, or a directory of its own kind.
func partOf(dir, name string) string {
	first, rest, deep := strings.Cut(dir, "/")
	switch {
	case dir == ".":
		return "top"
	case !deep, first == "isos", first == "images", first == "live", first == "metadata":
		return first
	}
	second, _, _ := strings.Cut(rest, "/")
	return first + "/" + second
}
