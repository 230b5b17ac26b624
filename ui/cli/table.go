package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"gantry/config"
)

// Colours always go with a word that says the same.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// paint colours text for a person; for programs and under NO_COLOR it does not.
func (a *app) paint(tty bool, colour, text string) string {
	if !tty || a.noColor || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// colours of the words that say how something is.
var colours = map[string]string{
	"done": green, "verified": green, "waived": yellow,
	"ready": bold, "running": bold,
	"failed": red, "unknown": red, "mismatch": red, "missing-sidecar": red, "orphan-sidecar": red,
	"malformed-sidecar": red, "bad-name": red, "symlink": red, "production": red, "PRODUCTION": red,
	"staging": green, "stale": yellow, "cancelled": yellow,
	"blocked": faint, "waiting": faint, "unverified": faint,
}

// word is a word in its colour.
func (a *app) word(w string) string { return a.paint(a.outTTY, colours[w], w) }

// table prints rows with aligned columns, on a terminal no wider than it is.
// Cells may be coloured; foreign text in them has been made harmless before.
func (a *app) table(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+2))
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if a.outTTY {
			text = ansi.Truncate(text, width(os.Stdout), "...")
		}
		fmt.Fprintln(a.out, text)
	}
}

// width is the number of columns of a terminal.
func width(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
		return w
	}
	return 80
}

// head makes the first row of a table.
func (a *app) head(names ...string) []string {
	for i := range names {
		names[i] = a.paint(a.outTTY, faint, names[i])
	}
	return names
}

func quoted(s string) string { return fmt.Sprintf("%q", config.Inert(s)) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// clock is a time as operators read it, in UTC; empty for the zero time.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// size is a number of bytes in three digits.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	prec := 1
	if f >= 100 {
		prec = 0
	}
	return fmt.Sprintf("%.*f %ciB", prec, f, "KMGTP"[unit])
}

// span is a duration in the unit that fits it.
func span(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
