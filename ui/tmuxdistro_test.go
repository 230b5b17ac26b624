package ui

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// glyphs of items that are at rest, before their titles.
var atRest = regexp.MustCompile(`▶ ([○✔✘↻·◷]) `)

// begin presses Enter on the item with the cursor until something comes of it, and
// answers what it asks: a letter, a phrase or what was seen. It returns the glyph
// that the item has in the end, empty where the console refused.
func (d *desk) begin() string {
	d.t.Helper()
	title := cursorRow(d.screen())
	d.press("Enter")
	s := d.until("an answer to Enter on "+title, func(s string) bool {
		m := atRest.FindStringSubmatch(cursorRow(s))
		return strings.Contains(s, "y run it") || strings.Contains(s, "To confirm") || strings.Contains(s, "Enter records it") ||
			strings.Contains(s, "Esc or Enter closes") || m != nil && m[1] == "✔"
	})
	switch {
	case strings.Contains(s, "Esc or Enter closes"):
		return ""
	case strings.Contains(s, "y run it"):
		d.armed("y run it")
		d.press("y")
	case strings.Contains(s, "To confirm"):
		d.confirm(d.phrase())
	case strings.Contains(s, "Enter records it"):
		d.types("https://build.example/1 by neil")
		d.press("Enter")
		d.gone("Enter records it")
	}
	end := ""
	d.until("an end of "+title, func(s string) bool {
		m := atRest.FindStringSubmatch(cursorRow(s))
		if m != nil {
			end = m[1]
		}
		return end == "✔" || end == "✘"
	})
	return end
}

// walk does what can be done, item after item, until one whose title begins so.
func (d *desk) walk(until string) {
	d.t.Helper()
	for range 60 {
		row := cursorRow(d.screen())
		if m := atRest.FindStringSubmatch(row); m == nil || m[1] != "○" && m[1] != "↻" {
			d.press("n") // the next that wants attention
			d.until("the next item", func(s string) bool {
				m := atRest.FindStringSubmatch(cursorRow(s))
				return m != nil && (m[1] == "○" || m[1] == "↻") || strings.Contains(s, "no other item")
			})
			continue
		}
		if strings.Contains(row, until) {
			return
		}
		if end := d.begin(); end != "✔" {
			d.t.Fatalf("%s ended as %q:\n%s", row, end, d.screen())
		}
	}
	d.t.Fatalf("%q never came:\n%s", until, d.screen())
}

// over closes the release, all of whose items are complete.
func (d *desk) over() {
	d.t.Helper()
	d.press("C")
	d.armed("y close the release")
	d.press("y")
	d.sees("closed ")
}

// TestPatchDayByKeys walks the patch day of two releases to its end by keys alone,
// on the real engine: one waits for the other before mirrors are told, a phrase
// without its alarm confirms nothing, and a sync of production is taken back and
// done again.
func TestPatchDayByKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	d := newDeskOf(t, "patch-day", "enter tick", 110, 34)
	repomd := filepath.Join(d.dir, "mnt/repos-production/mirror/pub/rocky/9.7/BaseOS/x86_64/os/repodata/repomd.xml")
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(repomd)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	before := read()

	d.walk("Promote rocky-9")
	d.press("3")
	d.sees("staging 9.7")
	d.press("w")
	d.sees("DOWNGRADE")
	d.press("1")
	d.sees(" Checklist ")
	d.press("Enter")
	phrase := d.phrase()
	if !strings.Contains(phrase, "!") {
		t.Fatalf("no alarm in %q", phrase)
	}
	var without []string
	for _, word := range strings.Fields(phrase) {
		if !strings.HasPrefix(word, "!") {
			without = append(without, word)
		}
	}
	d.types(strings.Join(without, " "))
	d.press("Enter")
	d.sees("that is not the phrase")
	if read() != before {
		t.Fatal("production changed without the alarm's word")
	}
	d.press("C-u")
	d.confirm(phrase)
	d.sees(stands("✔", "Promote rocky-9"))
	after := read()
	if after == before {
		t.Fatal("the phrase, typed, did not sync")
	}

	d.press("U")
	d.confirm(d.phrase())
	d.sees(stands("○", "Promote rocky-9"))
	if read() != before {
		t.Error("undo did not bring back what was there")
	}
	if end := d.begin(); end != "✔" || read() != after {
		t.Errorf("the sync after its undo ended as %q", end)
	}

	d.walk("Updates should be sent")
	if end := d.begin(); end != "" {
		t.Errorf("mirrors were told before 10.1 was in production: %q", end)
	}
	d.press("Escape")
	d.gone("Esc or Enter closes")
	d.press("7")
	d.sees("patch-10.1")
	d.press("O")
	d.sees("Work on which release?")
	d.press("Down", "Enter")
	d.sees("went to patch-10.1")
	d.press("1")
	d.sees(" Checklist ")
	d.walk("Updates should be sent")
	if end := d.begin(); end != "✔" {
		t.Errorf("the lists of 10.1 ended as %q", end)
	}
	d.over()

	d.sees("9.7 patch") // the one that is left
	d.walk("Updates should be sent")
	if end := d.begin(); end != "✔" {
		t.Errorf("the lists of 9.7 ended as %q", end)
	}
	d.over()
	d.press("q")
	d.sees("the demo stays in")
}
