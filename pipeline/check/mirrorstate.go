package check

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// standing is how a mirror stands to production; the worse, the higher.
type standing int

const (
	inSync standing = iota
	behindByOne
	behindByMore
	other // it serves what production did not
	closed
	unreachable
)

var standings = [...]string{"in sync", "behind by 1", "behind by more", "other", "closed", "unreachable"}

// mirror is one of the mirrors and what it serves.
type mirror struct {
	base  string
	repos map[string]string     // addresses of repositories, by directory
	seen  map[string]generation // of those that were read
	err   error                 // of the one that could not be
}

// verdict is how a mirror stands, in words too.
type verdict struct {
	standing standing
	words    string
}

// past is what is known of the metadata that production had before, by
// repository: the generations that are remembered here or that mirrors serve.
type past map[string][]generation

// learn adds a generation of a repository.
func (p past) learn(repo string, g generation) {
	if g.made > 0 && !slices.Contains(p[repo], g) {
		p[repo] = append(p[repo], g)
	}
}

// behind is by how many generations one is older than ours, which is newer.
func (p past) behind(repo string, g, ours generation) int {
	n := 1
	for _, between := range p[repo] {
		if between.made > g.made && between.made < ours.made {
			n++
		}
	}
	return n
}

// judge tells how a mirror stands: as its worst repository does.
func judge(m *mirror, ours map[string]generation, known past) verdict {
	if m.err != nil {
		if no := refusal(0); errors.As(m.err, &no) && no == http.StatusForbidden {
			return verdict{closed, no.Error() + ": it may have it and not show it yet"}
		}
		return verdict{unreachable, brief(m.err.Error())}
	}
	v := verdict{standing: inSync}
	most := 0
	for repo, g := range m.seen {
		now, n, words := inSync, 0, ""
		switch our := ours[repo]; {
		case g.digest == our.digest:
			continue
		case g.made == 0 || our.made == 0:
			now, words = other, repo+": its repomd.xml is another one"
		case g.made >= our.made:
			now, words = other, repo+": its repomd.xml is newer than ours"
			if g.made == our.made {
				words = repo + ": its repomd.xml is as old as ours, and another one"
			}
		default:
			if n = known.behind(repo, g, our); n > 1 {
				now = behindByMore
			} else {
				now = behindByOne
			}
			words = fmt.Sprintf("%s: behind by %d", repo, n)
		}
		worse := cmp.Or(cmp.Compare(now, v.standing), cmp.Compare(n, most), cmp.Compare(v.words, words))
		if worse > 0 {
			v, most = verdict{now, words}, n
		}
	}
	return v
}

// tally counts mirrors by how they stand.
type tally [len(standings)]int

// text is such as "87/104 in sync, 9 behind by 1, 8 unreachable".
func (t tally) text(of int) string {
	parts := []string{fmt.Sprintf("%d/%d in sync", t[inSync], of)}
	for s, n := range t {
		if standing(s) != inSync && n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, standings[s]))
		}
	}
	return strings.Join(parts, ", ")
}
