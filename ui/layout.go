package ui

import tea "github.com/charmbracelet/bubbletea"

// The least screen that the console is drawn on.
const (
	minWidth  = 60
	minHeight = 20
)

// From these widths on list and detail stand side by side, the header takes one
// line, and the footer too.
const (
	wide       = 100
	oneLine    = 124
	oneLineEnd = 140
)

// leastRows is how many rows a list has room for, even where it has fewer.
const leastRows = 3

func (m *model) tooSmall() bool { return m.w < minWidth || m.h < minHeight }

// rect is a place on the screen; zero h or w where it is not drawn.
type rect struct{ x, y, w, h int }

func (r rect) holds(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// layout is where everything stands on the present screen.
type layout struct {
	header, banners, footer int // lines
	list, detail            rect
}

func (m *model) layout() layout {
	l := layout{header: 2, banners: len(m.banners()), footer: 2}
	if m.w >= oneLine {
		l.header = 1
	}
	if m.w >= oneLineEnd {
		l.footer = 1
	}
	top := l.header + l.banners
	h := max(0, m.h-top-l.footer)
	if m.w >= wide {
		lw := m.w * 2 / 5
		if m.focus == onList && (m.at == artifactsAt || m.at == journalAt || m.at == dayAt) {
			lw = m.w * 5 / 8 // rows that say more
		}
		l.list = rect{0, top, lw, h}
		l.detail = rect{lw, top, m.w - lw, h}
		return l
	}
	// Over each other, the one with the focus takes the greater part.
	dh := h * 2 / 5
	if m.focus == onDetail {
		dh = h * 3 / 4
	}
	lh := h - dh
	if s := m.screen().list(); s.wanted == "" {
		lh = min(lh, max(s.n, leastRows)+2) // what few rows leave is the detail's
	}
	l.list = rect{0, top, m.w, lh}
	l.detail = rect{0, top + lh, m.w, h - lh}
	return l
}

// page is how many rows the pane with the focus shows.
func (m *model) page() int {
	l := m.layout()
	if m.focus == onDetail {
		return max(1, l.detail.h-2)
	}
	return max(1, l.list.h-2)
}

// detailLines is how many lines the detail has above the log.
func (m *model) detailLines() int {
	_, body := m.screen().detail(m.detailWidth())
	return len(body)
}

// detailWidth is the room for text in the detail.
func (m *model) detailWidth() int { return max(1, m.layout().detail.w-4) }

// cut tells whether a line of the detail that is in sight goes on beyond its
// right edge.
func (m *model) cut() bool {
	w, h := m.detailWidth(), m.page()
	_, body := m.screen().detail(w)
	for i := m.log.scroll; i < min(len(body)+m.log.drawn(), m.log.scroll+h); i++ {
		var l line
		if i < len(body) {
			l = body[i]
		} else {
			l = m.log.line(i - len(body))
		}
		if l.width() > m.log.aside+w+1 { // the pane's right margin takes one more
			return true
		}
	}
	return false
}

// slide scrolls the detail to the side, half a pane at a time.
func (m *model) slide(by int) tea.Cmd {
	m.log.aside = max(0, m.log.aside+by*max(8, m.detailWidth()/2))
	return nil
}

// clampDetail keeps the scrolling of the detail within what there is.
func (m *model) clampDetail() {
	n := m.detailLines() + m.log.drawn()
	m.log.scroll = max(0, min(m.log.scroll, n-m.page()))
}
