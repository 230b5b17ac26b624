package ui

import (
	"io"
	"os"
	"strings"
	"time"

	"gantry/config"
)

// Options is how the console looks and behaves.
type Options struct {
	Theme      config.Theme // empty: light where COLORFGBG says so, else dark
	NoColor    bool         // words, glyphs, bold and reverse only; also by NO_COLOR
	ASCII      bool         // draw with ASCII only; also where the locale is not UTF-8
	Mouse      bool         // react to the mouse; selecting text then needs shift
	Bell       bool         // ring when a run ends
	ReadOnly   bool         // offer nothing that changes anything
	Accessible bool         // lines and prompts instead of a screen; also where TERM is dumb

	// Forward sets the clock of a demo to when an item may be done; nil elsewhere.
	Forward func(to time.Time)

	Input  io.Reader        // nil is standard input
	Output io.Writer        // nil is standard output
	Now    func() time.Time // nil is time.Now
}

// settled fills in what the environment says.
func (o Options) settled() Options {
	if o.Input == nil {
		o.Input = os.Stdin
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.NoColor = o.NoColor || os.Getenv("NO_COLOR") != ""
	o.ASCII = o.ASCII || !utf8Locale()
	o.Accessible = o.Accessible || os.Getenv("TERM") == "dumb"
	if o.Theme == "" {
		o.Theme = config.Dark
		// COLORFGBG is "foreground;background" in the sixteen colours, as rxvt sets it.
		if bg := os.Getenv("COLORFGBG"); strings.HasSuffix(bg, ";7") || strings.HasSuffix(bg, ";15") {
			o.Theme = config.Light
		}
	}
	return o
}

// utf8Locale follows the order in which the C library asks for the locale.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
