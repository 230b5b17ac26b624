package ui

import "gantry/checklist"

// glyphs are the signs that stand for words; each is one cell wide.
type glyphs struct {
	status              map[checklist.Status]string
	cursor, ellipsis    string
	staging, production string
	warning, arrow      string
	full, empty         string
	thin, thick         frame
	up, down, dot       string
	marked, flag        string
}

// frame is the parts of a box: horizontal, vertical, and the corners from the
// top left, clockwise.
type frame struct{ h, v, tl, tr, br, bl string }

var unicodeGlyphs = glyphs{
	status: map[checklist.Status]string{
		checklist.StatusBlocked: "·", checklist.StatusWaiting: "◷", checklist.StatusReady: "○",
		checklist.StatusRunning: "◐", checklist.StatusUnknown: "?", checklist.StatusFailed: "✘",
		checklist.StatusCancelled: "⊘", checklist.StatusDone: "✔", checklist.StatusWaived: "⚠",
		checklist.StatusStale: "↻",
	},
	cursor: "▶", ellipsis: "…", staging: "●", production: "▲", warning: "⚠", arrow: "→",
	full: "█", empty: "░", up: "↑", down: "↓", dot: "·", marked: "■", flag: "!",
	thin:  frame{"─", "│", "╭", "╮", "╯", "╰"},
	thick: frame{"━", "┃", "┏", "┓", "┛", "┗"},
}

var asciiGlyphs = glyphs{
	status: map[checklist.Status]string{
		checklist.StatusBlocked: ".", checklist.StatusWaiting: "@", checklist.StatusReady: "o",
		checklist.StatusRunning: ">", checklist.StatusUnknown: "?", checklist.StatusFailed: "X",
		checklist.StatusCancelled: "/", checklist.StatusDone: "+", checklist.StatusWaived: "~",
		checklist.StatusStale: "!",
	},
	cursor: ">", ellipsis: "~", staging: "o", production: "^", warning: "!", arrow: "->",
	full: "#", empty: ".", up: "^", down: "v", dot: "-", marked: "*", flag: "!",
	thin:  frame{"-", "|", "+", "+", "+", "+"},
	thick: frame{"=", "#", "#", "#", "#", "#"},
}

// statusRole colours a status.
func statusRole(s checklist.Status) role {
	switch s {
	case checklist.StatusDone:
		return ok
	case checklist.StatusWaived, checklist.StatusStale, checklist.StatusUnknown, checklist.StatusCancelled:
		return warn
	case checklist.StatusFailed:
		return bad
	case checklist.StatusRunning:
		return accent
	case checklist.StatusReady:
		return strong
	default:
		return dim
	}
}

// statuses is every status, in the order in which an item goes through them.
var statuses = []checklist.Status{
	checklist.StatusBlocked, checklist.StatusWaiting, checklist.StatusReady, checklist.StatusRunning,
	checklist.StatusDone, checklist.StatusWaived, checklist.StatusStale, checklist.StatusFailed,
	checklist.StatusCancelled, checklist.StatusUnknown,
}
