package ui

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"gantry/checklist"
	"gantry/config"
)

// role is what a piece of text means. Nothing on the screen has a colour, only
// a role; and nothing is said by the role alone, a word or glyph says it too.
type role int

const (
	plain role = iota
	dim
	strong
	heading
	accent
	ok
	warn
	bad
	production // the colour of danger, as a frame and a label
	productionLabel
	staging
	stagingLabel
	alarm // the banner of a hold
	roles
)

// palette is the foreground colours of a theme, light to read on its background.
type palette struct {
	dim, heading, accent, ok, warn, bad, production, staging, label string
	selected                                                        string // ground of the selected row
}

var palettes = map[config.Theme]palette{
	config.Dark: {
		dim: "#8a8f98", heading: "#c8ccd4", accent: "#7aa2f7", ok: "#9ece6a", warn: "#e0af68",
		bad: "#ff6b6b", production: "#ff5555", staging: "#50c878", label: "#101218", selected: "#2b3245",
	},
	config.Light: {
		dim: "#656b75", heading: "#24292f", accent: "#0550ae", ok: "#116329", warn: "#7d4e00",
		bad: "#b3121d", production: "#c4001a", staging: "#0a6b2d", label: "#ffffff", selected: "#d8e2f7",
	},
	// On the blue and yellow axis, which red-green deficiency leaves intact; the
	// roles also differ in lightness.
	config.ColourBlind: {
		dim: "#9a9a9a", heading: "#e0e0e0", accent: "#79a8ff", ok: "#2fafff", warn: "#d0bc00",
		bad: "#ffd166", production: "#ffb000", staging: "#2fafff", label: "#000000", selected: "#33373f",
	},
}

// ink is a style as the bytes before and after a text.
type ink struct{ on, off string }

func (i ink) paint(s string) string {
	if s == "" || i.on == "" {
		return s
	}
	return i.on + s + i.off
}

// theme is how roles and glyphs are drawn on one terminal.
type theme struct {
	inks   [roles]ink
	marked [roles]ink // on the selected row
	glyphs glyphs
}

func newTheme(o Options, profile termenv.Profile) theme {
	p := palettes[o.Theme]
	if o.NoColor || profile == termenv.Ascii {
		p = palette{}
		profile = termenv.ANSI // bold and reverse still speak
	}
	r := lipgloss.NewRenderer(io.Discard, termenv.WithProfile(profile))
	r.SetColorProfile(profile)
	fg := func(c string) lipgloss.Style {
		s := r.NewStyle()
		if c != "" {
			s = s.Foreground(lipgloss.Color(c))
		}
		return s
	}
	label := func(c string) lipgloss.Style {
		if c == "" {
			return r.NewStyle().Reverse(true).Bold(true)
		}
		return r.NewStyle().Background(lipgloss.Color(c)).Foreground(lipgloss.Color(p.label)).Bold(true)
	}
	styles := [roles]lipgloss.Style{
		plain: r.NewStyle(), dim: fg(p.dim), strong: r.NewStyle().Bold(true),
		heading: fg(p.heading).Bold(true), accent: fg(p.accent).Bold(true),
		ok: fg(p.ok), warn: fg(p.warn), bad: fg(p.bad).Bold(true),
		production: fg(p.production).Bold(true), productionLabel: label(p.production),
		staging: fg(p.staging), stagingLabel: label(p.staging),
		alarm: r.NewStyle().Reverse(true).Bold(true),
	}
	t := theme{glyphs: unicodeGlyphs}
	if o.ASCII {
		t.glyphs = asciiGlyphs
	}
	for i, s := range styles {
		t.inks[i] = inkOf(s)
		if p.selected != "" {
			t.marked[i] = inkOf(s.Background(lipgloss.Color(p.selected)))
		} else {
			t.marked[i] = inkOf(s.Reverse(true))
		}
	}
	return t
}

// inkOf renders a letter and takes what stands round it.
func inkOf(s lipgloss.Style) ink {
	on, off, _ := strings.Cut(s.Render("x"), "x")
	return ink{on, off}
}

// risk is the word of a risk, its frame and its label.
func riskOf(r checklist.Risk) (word string, frame, label role) {
	switch r {
	case checklist.Production:
		return "PRODUCTION", production, productionLabel
	case checklist.Staging:
		return "STAGING", staging, stagingLabel
	default:
		return "SAFE", dim, accent
	}
}
