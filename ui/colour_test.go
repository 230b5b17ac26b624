package ui

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gantry/config"
)

var sgr = regexp.MustCompile("\x1b\\[([0-9;:]*)m")

// everyScreen draws each view and modal.
func everyScreen(t *testing.T, o Options) []string {
	var out []string
	for _, keys := range [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"4", "tab"}, {"5"}, {"?"}, {"3", "p"}, {"3", "r"}, {"3", "a"}, {"3", "m", "p"}, {"3", " "}, {"1", "w"}, {"H"}, {"q"}, {"/"}} {
		d := drive(t, newFake(t), 140, 50, o)
		d.press(keys...)
		out = append(out, d.m.View())
	}
	return out
}

func TestNoColor(t *testing.T) {
	reverse := false
	for _, frame := range everyScreen(t, Options{NoColor: true}) {
		for _, m := range sgr.FindAllStringSubmatch(frame, -1) {
			for _, p := range strings.Split(m[1], ";") {
				switch p {
				case "", "0", "1", "2":
				case "7":
					reverse = true
				default:
					t.Fatalf("colour without colour: %q", m[0])
				}
			}
		}
	}
	if !reverse {
		t.Error("nothing is reversed: the hold and the labels are not marked")
	}
	d := drive(t, newFake(t), 80, 24, Options{NoColor: true})
	d.press("3", "p")
	d.sees("PRODUCTION")
}

func TestASCII(t *testing.T) {
	for _, frame := range everyScreen(t, Options{ASCII: true}) {
		for _, r := range plainText(frame) {
			if r > '~' {
				t.Fatalf("%q is not ASCII:\n%s", r, plainText(frame))
			}
		}
	}
}

func TestGlyphsAreOneCell(t *testing.T) {
	for name, g := range map[string]glyphs{"unicode": unicodeGlyphs, "ascii": asciiGlyphs} {
		all := []string{g.cursor, g.ellipsis, g.staging, g.production, g.warning, g.full, g.empty, g.up, g.down, g.dot}
		for _, f := range []frame{g.thin, g.thick} {
			all = append(all, f.h, f.v, f.tl, f.tr, f.br, f.bl)
		}
		for _, s := range statuses {
			if g.status[s] == "" {
				t.Errorf("%s: no glyph for %s", name, s)
			}
			all = append(all, g.status[s])
		}
		for _, s := range all {
			if w := own(plain, s).width(); w != 1 {
				t.Errorf("%s: %q is %d cells wide", name, s, w)
			}
		}
	}
}

// luminance as WCAG 2 defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestThemesAreReadable(t *testing.T) {
	grounds := map[config.Theme]string{config.Dark: "#1a1b20", config.Light: "#ffffff", config.ColourBlind: "#1a1b20"}
	for theme, p := range palettes {
		for role, c := range map[string]string{"dim": p.dim, "heading": p.heading, "accent": p.accent, "ok": p.ok, "warn": p.warn, "bad": p.bad, "production": p.production, "staging": p.staging} {
			if got := contrast(t, c, grounds[theme]); got < 4.5 {
				t.Errorf("%s: %s has a contrast of %.1f to the ground", theme, role, got)
			}
			if got := contrast(t, c, p.selected); got < 3.9 {
				t.Errorf("%s: %s has a contrast of %.1f on the selected row", theme, role, got)
			}
		}
		for role, c := range map[string]string{"production": p.production, "staging": p.staging} {
			if got := contrast(t, c, p.label); got < 4.5 {
				t.Errorf("%s: the label of %s has a contrast of %.1f", theme, role, got)
			}
		}
	}
}

// Without the red and green cones' difference, what is left of a colour is about
// its blue against its yellow, and its lightness: good and bad must differ there.
func TestColourBlindThemeParts(t *testing.T) {
	p := palettes[config.ColourBlind]
	for _, pair := range [][2]string{{p.ok, p.bad}, {p.staging, p.production}, {p.ok, p.warn}} {
		a, b := channels(t, pair[0]), channels(t, pair[1])
		if d := math.Abs((a[2] - (a[0]+a[1])/2) - (b[2] - (b[0]+b[1])/2)); d < 0.4 {
			t.Errorf("%v differ by %.2f on the blue and yellow axis", pair, d)
		}
	}
}

func channels(t *testing.T, hex string) [3]float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return [3]float64{float64(n>>16&0xff) / 255, float64(n>>8&0xff) / 255, float64(n&0xff) / 255}
}
