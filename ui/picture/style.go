package picture

import (
	"fmt"
	"strconv"
	"strings"
)

// style is what SGR sequences have asked for so far.
type style struct {
	fg, bg               string // as in SVG, empty for the terminal's own
	bold, faint, reverse bool
}

// colours are the style's, as they are drawn.
func (s style) colours() (fg, bg string) {
	fg, bg = s.fg, s.bg
	if fg == "" {
		fg = foreground
	}
	if bg == "" {
		bg = background
	}
	if s.reverse {
		return bg, fg
	}
	return fg, bg
}

// ansi16 are the sixteen colours as xterm draws them.
var ansi16 = [16]string{
	"#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5",
	"#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff",
}

// apply takes the parameters of one SGR sequence; those it does not know change
// nothing.
func (s *style) apply(params string) {
	ps := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(ps) == 0 {
		*s = style{}
	}
	for len(ps) > 0 {
		n, err := strconv.Atoi(ps[0])
		ps = ps[1:]
		if err != nil {
			continue
		}
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 7:
			s.reverse = true
		case n == 22:
			s.bold, s.faint = false, false
		case n == 27:
			s.reverse = false
		case n >= 30 && n <= 37:
			s.fg = ansi16[n-30]
		case n >= 90 && n <= 97:
			s.fg = ansi16[n-90+8]
		case n >= 40 && n <= 47:
			s.bg = ansi16[n-40]
		case n >= 100 && n <= 107:
			s.bg = ansi16[n-100+8]
		case n == 39:
			s.fg = ""
		case n == 49:
			s.bg = ""
		case n == 38:
			s.fg, ps = extended(ps)
		case n == 48:
			s.bg, ps = extended(ps)
		}
	}
}

// extended reads a colour of 256 or of 24 bits; empty where it is neither.
func extended(ps []string) (colour string, rest []string) {
	num := func(i int) int {
		n, err := strconv.Atoi(ps[i])
		if err != nil || n < 0 || n > 255 {
			return 0
		}
		return n
	}
	switch {
	case len(ps) >= 4 && ps[0] == "2":
		return fmt.Sprintf("#%02x%02x%02x", num(1), num(2), num(3)), ps[4:]
	case len(ps) >= 2 && ps[0] == "5":
		return palette256(num(1)), ps[2:]
	default:
		return "", nil
	}
}

// palette256 is xterm's: sixteen colours, a cube of six levels, 24 greys.
func palette256(n int) string {
	switch {
	case n < 16:
		return ansi16[n]
	case n < 232:
		level := func(v int) int {
			if v == 0 {
				return 0
			}
			return 55 + 40*v
		}
		n -= 16
		return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
	default:
		v := 8 + 10*(n-232)
		return fmt.Sprintf("#%02x%02x%02x", v, v, v)
	}
}
