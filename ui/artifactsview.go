package ui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// artifactScreen is what is staged, with the verdicts of its checksums. There
// may be a hundred thousand: rows are made when they are drawn, and the filter
// works in a command.
type artifactScreen struct {
	m      *model
	all    []atomic.Pointer[storage.Artifact] // verdicts come in while the filter reads
	shown  []int32                            // indices in all that match the filter
	by     string                             // the filter that shown is of
	l      list
	gen    int // of the list; answers to earlier ones are dropped
	sifted int // likewise of its filter
	read   bool
	seq    uint64 // of the journal when it was read
	err    error

	targets map[storage.Place]string // that take what is staged there
	col     int                      // cells of the longest
	found   map[string][]string      // what looks wrong, by the artifact's key
	looked  bool                     // found is known, or why not
	foundBy error                    // why found is not known

	queue  []int32 // to be verified
	total  int     // of this verification
	wrong  int     // verdicts other than verified in it
	cancel context.CancelFunc
	p      *pipeline.Progress
}

type (
	artifactsMsg struct {
		gen int
		all []storage.Artifact
		err error
	}
	findingsMsg struct {
		gen   int
		found map[string][]string
		err   error
	}
	sievedMsg struct {
		gen   int
		by    string
		shown []int32
	}
	verifiedMsg struct {
		ctx context.Context // of its verification
		at  []int32
		as  []storage.Artifact
		err error
	}
)

func newArtifacts(m *model) *artifactScreen {
	return &artifactScreen{m: m, targets: map[storage.Place]string{}}
}

func (s *artifactScreen) name() string { return "artifacts" }
func (s *artifactScreen) list() *list  { return &s.l }
func (s *artifactScreen) run() string  { return "" }

func (s *artifactScreen) verifying() bool { return s.cancel != nil }

// sync learns which targets take what is staged where.
func (s *artifactScreen) sync() {
	clear(s.targets)
	s.col = 0
	for i := range s.m.view.Targets {
		t := &s.m.view.Targets[i]
		for _, p := range t.Places {
			if before := s.targets[p]; before != "" {
				s.targets[p] = before + ", " + t.Name
			} else {
				s.targets[p] = t.Name
			}
			s.col = min(mostTarget, max(s.col, ansi.StringWidth(config.Inert(s.targets[p]))))
		}
	}
}

// load lists what is staged, where that was not done since the journal grew.
func (s *artifactScreen) load() tea.Cmd {
	if s.read && s.seq == s.m.view.Head || s.verifying() {
		return nil
	}
	return s.reload()
}

func (s *artifactScreen) reload() tea.Cmd {
	s.stop()
	s.gen++
	s.seq = s.m.view.Head
	gen, ctx, c, before := s.gen, s.m.ctx, s.m.console, s.all
	return func() tea.Msg {
		all, err := c.Artifacts(ctx, "")
		keepVerdicts(all, before)
		return artifactsMsg{gen, all, err}
	}
}

// keepVerdicts takes over what was found of artifacts that did not change since.
func keepVerdicts(all []storage.Artifact, before []atomic.Pointer[storage.Artifact]) {
	type same struct {
		storage.Place
		file, digest string
		size, at     int64
	}
	key := func(a *storage.Artifact) same {
		return same{a.Place, a.File, a.Digest, a.Size, a.Modified.UnixNano()}
	}
	known := map[same]*storage.Artifact{}
	for i := range before {
		if a := before[i].Load(); a.Verdict == storage.Verified || a.Verdict == storage.Mismatch {
			known[key(a)] = a
		}
	}
	for i := range all {
		if a, ok := known[key(&all[i])]; ok && all[i].Verdict == storage.Unverified {
			all[i].Verdict, all[i].Detail = a.Verdict, a.Detail
		}
	}
}

// askRemove asks whether the selected artifact shall leave the staging area.
func (s *artifactScreen) askRemove() tea.Cmd {
	m, a := s.m, *s.selected()
	word, frame, label := riskOf(checklist.Staging)
	m.open(&dialog{
		word: word, frame: frame, label: label, title: "Remove from the staging area?",
		head: func(w int) []line {
			ls := hard(strong, a.File, w)
			return append(ls, wrapped(plain, "With its checksum, from "+a.Prefix()+". What is built or served already keeps it.", w)...)
		},
		answers: []answer{{bind("remove it", "y"), func() tea.Cmd {
			return m.act("removed "+a.File, func(ctx context.Context) error { return m.console.RemoveArtifact(ctx, a) })
		}}},
	})
	return nil
}

func (s *artifactScreen) loaded(msg artifactsMsg) tea.Cmd {
	if msg.gen != s.gen {
		return nil
	}
	s.read, s.err = true, msg.err
	there := make([]int32, 0, len(s.shown)) // what is drawn until the filter answers
	for _, i := range s.shown {
		if int(i) < len(msg.all) {
			there = append(there, i)
		}
	}
	s.shown, s.by = there, ""
	s.l.resize(len(there))
	s.all = make([]atomic.Pointer[storage.Artifact], len(msg.all))
	for i := range msg.all {
		s.all[i].Store(&msg.all[i])
	}
	if msg.err != nil {
		return s.sieve(nil)
	}
	return tea.Batch(s.sieve(nil), s.examine(msg.all))
}

// examine asks what looks wrong about what is staged, which reads what production
// serves.
func (s *artifactScreen) examine(all []storage.Artifact) tea.Cmd {
	gen, ctx, c := s.gen, s.m.ctx, s.m.console
	return func() tea.Msg {
		found, err := c.Findings(ctx, all)
		return findingsMsg{gen, found, err}
	}
}

func (s *artifactScreen) examined(msg findingsMsg) tea.Cmd {
	if msg.gen != s.gen {
		return nil
	}
	s.found, s.foundBy, s.looked = msg.found, msg.err, true
	return s.resieve()
}

// resieve filters again what may match by now.
func (s *artifactScreen) resieve() tea.Cmd {
	if s.l.wanted == "" {
		return nil
	}
	return s.sieve(nil)
}

func (s *artifactScreen) seek(text string) tea.Cmd {
	var within []int32
	if s.by != "" && s.by == s.l.wanted && strings.HasPrefix(text, s.by) {
		within = s.shown // what is sought grew: what did not match does not match now
	}
	s.l.wanted = text
	return s.sieve(within)
}

// sieve finds the artifacts that match, among some or all.
func (s *artifactScreen) sieve(within []int32) tea.Cmd {
	s.sifted++
	gen, all, by := s.sifted, s.all, s.l.wanted
	text := strings.ToLower(by)
	found, targets := s.found, maps.Clone(s.targets)
	has := func(field string) bool { return strings.Contains(strings.ToLower(field), text) }
	return func() tea.Msg {
		n := len(all)
		if within != nil {
			n = len(within)
		}
		shown := make([]int32, 0, n)
		for j := range n {
			i := int32(j)
			if within != nil {
				i = within[j]
			}
			a := all[i].Load()
			if text == "" || has(a.File) || has(string(a.Verdict)) || has(a.OS) || has(a.Series) || has(a.Component) ||
				has(targets[a.Place]) || len(found) > 0 && odd(found[a.Key()], has) {
				shown = append(shown, i)
			}
		}
		return sievedMsg{gen, by, shown}
	}
}

// odd tells whether what looks wrong about an artifact matches, or that something
// does.
func odd(found []string, has func(string) bool) bool {
	return len(found) > 0 && (has("odd") || slices.ContainsFunc(found, has))
}

func (s *artifactScreen) sieved(msg sievedMsg) tea.Cmd {
	if msg.gen != s.sifted {
		return nil
	}
	s.shown, s.by = msg.shown, msg.by
	s.l.resize(len(s.shown))
	return nil
}

func (s *artifactScreen) selected() *storage.Artifact {
	if s.l.cursor < 0 || s.l.cursor >= len(s.shown) {
		return nil
	}
	return s.all[s.shown[s.l.cursor]].Load()
}

func (s *artifactScreen) head() (title, remark line) {
	title = own(strong, "Artifacts")
	switch {
	case s.verifying():
		remark = own(accent, fmt.Sprintf("verifying %s of %s", count(int64(s.total-len(s.queue))), count(int64(s.total))))
	case !s.read:
		remark = own(dim, "reading")
	case s.l.wanted != "":
		remark = own(plain, count(int64(len(s.shown)))+" of "+count(int64(len(s.all))))
	default:
		remark = own(plain, count(int64(len(s.all))))
	}
	switch n := len(s.found); {
	case s.foundBy != nil:
		remark = append(line{{"not examined", bad}, {"  ", plain}}, remark...)
	case n > 0:
		remark = append(line{{s.m.theme.glyphs.flag + " " + count(int64(n)) + " odd", warn}, {"  ", plain}}, remark...)
	}
	return title, remark
}

func (s *artifactScreen) row(i int) row {
	a := s.all[s.shown[i]].Load()
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	glyph, role := s.verdict(a.Verdict)
	flag := "  "
	if len(s.found) > 0 && len(s.found[a.Key()]) > 0 {
		flag = s.m.theme.glyphs.flag + " "
	}
	left := line{{" " + mark, accent}, {glyph + " ", role}, {flag, warn}, {config.Inert(a.File), plain}}
	var right line
	w := s.width()
	if w >= withTarget && s.col > 0 {
		name := ansi.Truncate(config.Inert(s.targets[a.Place]), s.col, s.m.theme.glyphs.ellipsis)
		right = append(right, span{name + strings.Repeat(" ", s.col-ansi.StringWidth(name)), dim})
	}
	right = append(right, span{fmt.Sprintf("%10s", size(a.Size)), dim})
	if w >= withAge {
		right = append(right, span{fmt.Sprintf("%5s", age(s.m.view.Now.Sub(a.Modified))), dim})
	}
	return row{left, append(right, span{fmt.Sprintf("  %-10s ", string(a.Verdict)), role})}
}

// From these widths of the list on, its rows have the target, and the age.
const (
	withTarget = 86
	withAge    = 62
	mostTarget = 16 // cells of the target's column
)

// width is that of the list.
func (s *artifactScreen) width() int {
	switch {
	case s.m.w < wide:
		return s.m.w
	case s.m.focus == onList:
		return s.m.w * 5 / 8
	default:
		return s.m.w * 2 / 5
	}
}

// verdict is how a verdict is drawn.
func (s *artifactScreen) verdict(v storage.Verdict) (string, role) {
	g := s.m.theme.glyphs.status
	switch v {
	case storage.Verified:
		return g[checklist.StatusDone], ok
	case storage.Unverified:
		return g[checklist.StatusReady], dim
	default:
		return g[checklist.StatusFailed], bad
	}
}

func (s *artifactScreen) danger() checklist.Risk { return checklist.Safe }

// target is the first in whose staging place the selected artifact lies.
func (s *artifactScreen) target() string {
	if a := s.selected(); a != nil {
		for _, t := range s.m.view.Targets {
			if slices.Contains(t.Places, a.Place) {
				return t.Name
			}
		}
	}
	return ""
}

func (s *artifactScreen) detail(w int) (head, body []line) {
	a := s.selected()
	if a == nil {
		head = []line{own(strong, "Artifact"), nil}
		switch {
		case s.err != nil:
			words, hint := explain(s.err)
			return head, append(wrapped(bad, words, w), wrapped(accent, hint, w)...)
		case !s.read:
			return head, []line{own(dim, "reading the staging area...")}
		case s.l.wanted != "":
			return head, wrapped(dim, "Nothing matches the filter; Esc shows all.", w)
		}
		return head, append(wrapped(plain, "Nothing is staged. Upload packages with their checksums beside this console:", w), own(strong, "  gantry stage TARGET FILE..."))
	}
	glyph, role := s.verdict(a.Verdict)
	body = append(hard(strong, a.File, w), line{{glyph + " " + string(a.Verdict), role}})
	body = append(body, wrapped(role, a.Detail, w)...)
	for _, what := range s.found[a.Key()] {
		body = append(body, wrapped(warn, s.m.theme.glyphs.flag+" "+what, w)...)
	}
	switch {
	case s.foundBy != nil:
		body = append(body, wrapped(bad, "What looks wrong about it is not known: "+s.foundBy.Error(), w)...)
	case !s.looked:
		body = append(body, own(dim, "looking for what is odd about it..."))
	}
	body = append(body, line{}, line{{"target   ", dim}, {config.Inert(orNone(s.targets[a.Place])), plain}}, line{{"place    ", dim}, {config.Inert(a.Prefix()), plain}},
		line{{"size     ", dim}, {size(a.Size) + ", " + count(a.Size) + " bytes", plain}},
		line{{"changed  ", dim}, {clock(a.Modified, s.m.view.Now) + " UTC, " + age(s.m.view.Now.Sub(a.Modified)) + " ago", plain}},
		own(dim, "sha256 by its sidecar"))
	body = append(body, hard(plain, orNone(a.Digest), w)...)
	if s.verifying() {
		body = append(append(body, line{}), s.m.progress(s.p.Status(), w)...)
	}
	return []line{own(strong, "Artifact"), said(dim, a.OS)}, body
}

func (s *artifactScreen) actions() []action {
	return []action{
		{key: bind("verify", "v"), when: s.selected() != nil && !s.verifying(), do: func() tea.Cmd { return s.verify([]int32{s.shown[s.l.cursor]}) }},
		{key: bind("verify all", "V"), when: len(s.shown) > 0 && !s.verifying(), do: func() tea.Cmd { return s.verify(s.shown) }},
		{key: bind("stop verifying", "c"), when: s.verifying(), do: func() tea.Cmd { s.stop(); return nil }},
		{key: bind("remove", "x"), writes: true, when: s.selected() != nil && !s.verifying(), do: s.askRemove},
		{key: bind("read again", "r"), when: true, do: s.reload},
	}
}
