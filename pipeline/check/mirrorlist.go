package check

import (
	"bufio"
	"bytes"
	"fmt"
	"net/url"
	"path"
	"strings"

	"gantry/config"
)

const (
	mirrorsMost = 2000 // of one check
	addressMost = 2048 // bytes of the address of a mirror
)

// listed is what a mirror list says of one repository.
type listed struct {
	mirrors []string // their addresses, without / at the end
	odd     []string // lines that are no address, made harmless
	remarks []string // its comments, likewise: an error comes as one
}

// readMirrorList reads a mirror list: one URL a line, and comments.
func readMirrorList(data []byte) (l listed, err error) {
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1) // a line is no longer than all of them
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || seen[line] {
			continue
		}
		if text, remark := strings.CutPrefix(line, "#"); remark {
			if len(l.remarks) < 3 {
				l.remarks = append(l.remarks, brief(strings.TrimSpace(text)))
			}
			continue
		}
		if len(seen) == mirrorsMost {
			return listed{}, fmt.Errorf("it names more than %d mirrors", mirrorsMost)
		}
		seen[line] = true
		if mirrorAddress(line) {
			l.mirrors = append(l.mirrors, strings.TrimRight(line, "/"))
		} else {
			l.odd = append(l.odd, brief(line))
		}
	}
	return l, lines.Err()
}

// mirrorAddress tells whether a line is a plain http or https URL.
func mirrorAddress(line string) bool {
	if len(line) > addressMost || config.Inert(line) != line || strings.ContainsAny(line, " ?#") {
		return false
	}
	u, err := url.Parse(line)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// brief is foreign text, harmless and short.
func brief(text string) string { return config.Inert(text[:min(shownMost, len(text))]) }

// split takes the address of a repository on a mirror apart: the mirror, and
// where the repository is. A list that is the same for every repository names the
// mirror alone.
func split(address, repo string) (mirror, at string) {
	if mirror, whole := strings.CutSuffix(address, "/"+repo); whole {
		return mirror, address
	}
	return address, address + "/" + repo
}

// listWords are the words that the URL of a mirror list may hold for a
// repository at BaseOS/x86_64/os, besides those of the release: {repo} is BaseOS,
// {arch} x86_64, and {part} is -debug or -source where it is such a part, else
// nothing.
func listWords(release map[string]string, repo string) map[string]string {
	all := map[string]string{"part": ""}
	for name, word := range release {
		all[name] = word
	}
	dirs := append(strings.Split(path.Clean(repo), "/"), "", "")
	all["repo"], all["arch"] = dirs[0], dirs[1]
	switch {
	case dirs[1] == "source":
		all["part"] = "-source"
	case dirs[2] == "debug":
		all["part"] = "-debug"
	}
	return all
}
