package picture_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"gantry/ui/picture"
)

// wellFormed reads an SVG to its end.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
	}
}

func TestSVG(t *testing.T) {
	tests := []struct {
		name, frame string
		want        []string
		not         []string
	}{
		{"text is escaped", `a <b> & "c"`, []string{"&lt;b&gt; &amp;"}, []string{"<b>"}},
		{"true colour", "\x1b[38;2;255;85;85mred\x1b[0m", []string{`fill="#ff5555">red</text>`}, nil},
		{"256 colours", "\x1b[38;5;196mred", []string{`fill="#ff0000">red`}, nil},
		{"sixteen colours", "\x1b[92mgreen", []string{`fill="#00ff00">green`}, nil},
		{"bold ends", "\x1b[1mbold\x1b[0mthin", []string{`font-weight="bold">bold<`, `fill="#d5d9e0">thin<`}, nil},
		{"reverse swaps", "\x1b[7mHOLD", []string{`fill="#14161b">HOLD`, `<rect x="12.0" y="12.0" width="33.6" height="17.0" fill="#d5d9e0"/>`}, nil},
		{"wide letters take two cells", "漢字x", []string{`textLength="42.0"`}, nil},
		{"other sequences are left out", "a\x1b[2Jb\x1b]0;t\x07c", []string{">abc<"}, []string{"\x1b"}},
		{"odd parameters change nothing", "\x1b[38;9;1mx\x1b[;;my", []string{">x", "y<"}, nil},
		{"second line is lower", "a\nb", []string{`y="24.9"`, `y="41.9"`}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			svg := picture.SVG(tt.frame, `a "title"`)
			wellFormed(t, svg)
			for _, w := range tt.want {
				if !strings.Contains(svg, w) {
					t.Errorf("no %q in\n%s", w, svg)
				}
			}
			for _, n := range tt.not {
				if strings.Contains(svg, n) {
					t.Errorf("%q in\n%s", n, svg)
				}
			}
		})
	}
}

func FuzzSVG(f *testing.F) {
	f.Add("a\x1b[38;2;1;2;3mb\x1b[7mc\nd")
	f.Add("\x1b[38;5m\x1b[\x00\xff<&>")
	f.Fuzz(func(t *testing.T, frame string) {
		wellFormed(t, picture.SVG(frame, frame))
	})
}
