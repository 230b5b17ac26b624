package rpm

import "strings"

// changelogLimit is how many changelog entries other.xml has of a package:
// createrepo_c's default.
const changelogLimit = 10

// other appends the package's entry of other.xml: the newest entries of its
// changelog, the oldest of them first.
func (p *facts) other(m *markup) {
	p.open(m)
	for i := len(p.changes) - 1; i >= 0; i-- {
		c := p.changes[i]
		m.raw("  <changelog author=\"")
		m.attr(c.author)
		m.raw("\" date=\"")
		m.num(c.date)
		m.raw("\">")
		m.text(c.text)
		m.raw("</changelog>\n")
	}
	m.raw("</package>\n")
}

// change is an entry of a changelog.
type change struct {
	author, text string
	date         int64 // Unix seconds
}

// listChanges collects the changelog, newest entry first as the header has it.
// Entries of one date get rising seconds, so that readers which sort by date
// keep their order.
func (p *facts) listChanges() {
	p.changes = p.changes[:0]
	times, names, texts := p.head.Uint32s(tagChangelogTime), p.head.Strs(tagChangelogName), p.head.Strs(tagChangelogText)
	var last int64
	for i := range min(len(times), len(names), len(texts), changelogLimit) {
		author, date := strings.TrimRight(names[i], " "), int64(times[i])
		if author == "" && names[i] != "" {
			author = " "
		}
		p.changes = append(p.changes, change{author: author, date: date, text: texts[i]})
		if date != last {
			last = date
			continue
		}
		for j, next := i-1, date; j >= 0 && p.changes[j].date == next; j-- {
			p.changes[j].date++
			next++
		}
	}
}
