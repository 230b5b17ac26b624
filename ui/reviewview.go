package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// reviewScreen is what a promotion would bring to the clients of one target,
// package by package: what a patch day is decided by.
type reviewScreen struct {
	m       *model
	of      string // the target
	at      string // what that served when it was read
	review  *pipeline.Review
	failed  string
	loading bool
	rows    []reviewRow
	l       list
}

// reviewRow is the heading of a repository, where pkg is nil, or a package.
type reviewRow struct {
	repo *pipeline.ReviewedRepo
	pkg  *pipeline.ReviewedPackage
	what change
}

// change is how a package differs.
type change struct {
	sign, word string
	role       role
}

var (
	upgraded   = change{"^", "upgraded", accent}
	added      = change{"+", "added", ok}
	rebuilt    = change{"~", "rebuilt", warn}
	downgraded = change{"v", "DOWNGRADE", bad}
	removed    = change{"-", "REMOVED", bad}
)

func newReview(m *model) *reviewScreen {
	s := &reviewScreen{m: m}
	s.l.skip = func(i int) bool { return i >= 0 && i < len(s.rows) && s.rows[i].pkg == nil }
	return s
}

func (s *reviewScreen) name() string { return "review" }
func (s *reviewScreen) list() *list  { return &s.l }

func (s *reviewScreen) sync() {
	s.rows = s.rows[:0]
	if s.review == nil {
		s.l.resize(0)
		return
	}
	for i := range s.review.Repos {
		repo := &s.review.Repos[i]
		headed := false
		for _, group := range changesOf(repo) {
			for j := range group.pkgs {
				p := &group.pkgs[j]
				if !matches(strings.Join([]string{p.Name, p.Arch, p.From, p.To, group.what.word, repo.Name, repo.Arch, strings.Join(p.Advisories, " ")}, " "), s.l.wanted) {
					continue
				}
				if !headed {
					s.rows, headed = append(s.rows, reviewRow{repo: repo}), true
				}
				s.rows = append(s.rows, reviewRow{repo, p, group.what})
			}
		}
	}
	s.l.resize(len(s.rows))
}

// changed is the packages that differ in one way.
type changed struct {
	what change
	pkgs []pipeline.ReviewedPackage
}

// changesOf is what differs in a repository; what should not happen comes first.
func changesOf(r *pipeline.ReviewedRepo) []changed {
	return []changed{{downgraded, r.Downgraded}, {removed, r.Removed}, {rebuilt, r.Rebuilt}, {upgraded, r.Upgraded}, {added, r.Added}}
}

func (s *reviewScreen) selected() reviewRow {
	if s.l.cursor < 0 || s.l.cursor >= len(s.rows) {
		return reviewRow{}
	}
	return s.rows[s.l.cursor]
}

func (s *reviewScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.sync()
	return nil
}

// sum counts the packages of a review by how they differ, and those that should
// not be there.
func (s *reviewScreen) sum() (all, wrong int) {
	if s.review == nil {
		return 0, 0
	}
	for _, r := range s.review.Repos {
		bad := len(r.Downgraded) + len(r.Removed)
		all, wrong = all+len(r.Added)+len(r.Upgraded)+len(r.Rebuilt)+bad, wrong+bad
	}
	return all, wrong
}

func (s *reviewScreen) head() (title, remark line) {
	title = own(strong, "Review")
	if s.of != "" {
		title = append(title, span{" " + config.Inert(s.of), plain})
	}
	if s.moved() {
		return title, own(warn, "moved since: r reads anew")
	}
	all, wrong := s.sum()
	remark = own(plain, count(int64(all)))
	if wrong > 0 {
		remark = line{{fmt.Sprintf("%d down or gone", wrong), bad}, {" of " + count(int64(all)), plain}}
	}
	return title, remark
}

// serves is what is compared, as far as the console knows.
func (s *reviewScreen) serves() string {
	t, _ := s.m.targetView(s.of)
	return t.Staging + " " + t.Production
}

// moved tells whether the target serves something else since it was read.
func (s *reviewScreen) moved() bool { return s.review != nil && s.at != s.serves() }

func (s *reviewScreen) row(i int) row {
	r := s.rows[i]
	if r.pkg == nil {
		return row{left: line{{" " + config.Inert(repoName(r.repo)), heading}}, right: line{{repoCounts(r.repo) + " ", dim}}}
	}
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	left := line{{" " + mark, accent}, {r.what.sign + " ", r.what.role}, {config.Inert(r.pkg.Name), plain}, {"  " + config.Inert(versions(r.pkg, s.m.theme.glyphs.arrow)), dim}}
	right := line{}
	if n := len(r.pkg.Advisories); n > 0 {
		right = line{{config.Inert(r.pkg.Advisories[0]) + " ", s.severity(r)}}
	}
	if r.what.role == bad {
		right = append(right, span{r.what.word + " ", bad})
	}
	return row{left: left, right: right}
}

func repoName(r *pipeline.ReviewedRepo) string {
	name := strings.TrimSpace(r.Name + " " + r.Arch)
	if name == "" {
		name = "repository"
	}
	return name
}

func repoCounts(r *pipeline.ReviewedRepo) string {
	return fmt.Sprintf("+%d ^%d v%d -%d", len(r.Added), len(r.Upgraded), len(r.Downgraded), len(r.Removed))
}

func versions(p *pipeline.ReviewedPackage, arrow string) string {
	switch {
	case p.From == "":
		return p.To
	case p.To == "" || p.To == p.From:
		return p.From
	}
	return p.From + " " + arrow + " " + p.To
}

// severity is the role of the gravest advisory of a package.
func (s *reviewScreen) severity(r reviewRow) role {
	worst := dim
	for _, a := range r.repo.Advisories {
		if slices.Contains(r.pkg.Advisories, a.ID) {
			switch strings.ToLower(a.Severity) {
			case "critical", "important":
				return bad
			case "moderate":
				worst = warn
			}
		}
	}
	return worst
}

func (s *reviewScreen) detail(w int) (head, body []line) {
	r := s.selected()
	if r.pkg == nil {
		return []line{own(strong, "Review"), nil}, s.nothing(w)
	}
	p := r.pkg
	head = []line{said(strong, p.Name+"."+p.Arch), {{r.what.word, r.what.role}}}
	body = []line{said(plain, versions(p, s.m.theme.glyphs.arrow)), said(dim, repoName(r.repo))}
	if p.Source != "" {
		body = append(body, said(dim, "from "+p.Source))
	}
	if p.Size > 0 {
		body = append(body, own(dim, size(p.Size)))
	}
	for _, a := range r.repo.Advisories {
		if !slices.Contains(p.Advisories, a.ID) {
			continue
		}
		body = append(body, line{}, line{{config.Inert(a.ID), heading}, {"  " + config.Inert(strings.TrimSpace(a.Type+" "+a.Severity)), s.severity(r)}})
		body = append(body, wrapped(plain, a.Title, w)...)
		if len(a.CVEs) > 0 {
			body = append(body, wrapped(dim, strings.Join(a.CVEs, " "), w)...)
		}
	}
	for _, e := range p.Changelog {
		body = append(body, line{}, line{{e.Time.UTC().Format("2006-01-02"), heading}, {"  " + config.Inert(e.Author), dim}})
		for text := range strings.Lines(e.Text) {
			body = append(body, wrapped(plain, strings.TrimRight(text, "\n"), w)...)
		}
	}
	if len(p.Changelog) == 0 && r.what == upgraded {
		body = append(body, line{}, own(dim, "its changelog says nothing new"))
	}
	return head, body
}

// nothing says why there is no package to look at.
func (s *reviewScreen) nothing(w int) []line {
	switch {
	case s.loading:
		return wrapped(dim, "Reading what staging and production of "+s.of+" serve...", w)
	case s.failed != "":
		return wrapped(warn, s.failed, w)
	case s.of == "":
		return wrapped(dim, "No target with something staged that can be compared. In the targets, w reviews the selected one.", w)
	case s.l.wanted != "":
		return wrapped(dim, "No package matches.", w)
	}
	ls := wrapped(ok, "Staging brings no package that production does not serve.", w)
	if s.review != nil {
		for _, note := range s.review.Notes {
			ls = append(ls, wrapped(warn, note, w)...)
		}
	}
	return ls
}

func (s *reviewScreen) danger() checklist.Risk { return checklist.Safe }
func (s *reviewScreen) run() string            { return "" }
func (s *reviewScreen) target() string         { return s.of }

func (s *reviewScreen) actions() []action {
	return []action{
		{key: bind("another target", "t"), when: len(s.choices()) > 1 && !s.loading, why: "no other target can be compared", do: s.askTarget},
		{key: bind("read anew", "r"), when: s.of != "" && !s.loading, why: "it is being read", do: func() tea.Cmd { return s.read(s.of) }},
	}
}

// choices are the targets that can be compared.
func (s *reviewScreen) choices() []string {
	var names []string
	for _, t := range s.m.view.Targets {
		if t.Staging != "" && (t.Format == string(config.FormatRPM) || t.Format == string(config.FormatTree)) {
			names = append(names, t.Name)
		}
	}
	return names
}

func (s *reviewScreen) askTarget() tea.Cmd {
	names := s.choices()
	c := &choice{title: "Review which target?", does: "reads it", pick: func(i int) tea.Cmd { return s.read(names[i]) }}
	for _, name := range names {
		c.rows = append(c.rows, row{left: said(plain, name)})
	}
	s.m.open(c)
	return nil
}

// load reads what was compared before where that moved, or the first target that
// can be compared.
func (s *reviewScreen) load() tea.Cmd {
	switch {
	case s.loading:
		return nil
	case s.moved():
		return s.read(s.of)
	case s.of != "":
		return nil
	}
	if names := s.choices(); len(names) > 0 {
		return s.read(names[0])
	}
	return nil
}

type reviewedMsg struct {
	target string
	review *pipeline.Review
	err    error
}

// reviewOf shows the review of a target.
func (m *model) reviewOf(target string) tea.Cmd {
	m.reviews().of = target
	return tea.Batch(m.show(reviewAt), m.reviews().read(target))
}

func (s *reviewScreen) read(target string) tea.Cmd {
	s.of, s.loading, s.failed, s.review = target, true, "", nil
	s.at = s.serves()
	s.sync()
	ctx, c := s.m.ctx, s.m.console
	return func() tea.Msg {
		r, err := c.Review(ctx, target)
		return reviewedMsg{target, r, err}
	}
}

// reviewed takes a review in, if it is still asked for.
func (s *reviewScreen) reviewed(msg reviewedMsg) tea.Cmd {
	if msg.target != s.of {
		return nil
	}
	s.loading = false
	if msg.err != nil {
		words, hint := explain(msg.err)
		s.failed = strings.TrimSpace(words + ". " + hint)
		return nil
	}
	s.review = msg.review
	s.l.to(0)
	s.sync()
	return nil
}
