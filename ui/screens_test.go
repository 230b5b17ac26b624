package ui

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/tunnel"
	"gantry/ui/picture"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// golden compares with a file of testdata/screens, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "screens", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test ./ui -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if it should, write it with go test ./ui -update. It is now:\n%s", name, got)
	}
}

// trimmed is a frame as text, without the spaces at the ends of lines.
func trimmed(frame string) string {
	lines := strings.Split(plainText(frame), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// live lets a group move, or have moved in part.
func (d *driver) live(is bool) *driver {
	inPart(d.fake, is)
	return d.refresh()
}

// odd lets artifacts look wrong, and tunnels be in every state.
func (d *driver) odd() *driver {
	oddity(d.fake)
	d.fake.view.Targets[0].Places = []storage.Place{d.fake.staged[0].Place}
	d.fake.view.Tunnels = []tunnel.State{{Name: "vm", Word: tunnel.Up}, {Name: "registry", Word: tunnel.Down, Reason: "connection refused"}}
	return d.refresh()
}

// table selects an item with a table as evidence.
func (d *driver) table() *driver {
	withMatrix(d.fake)
	return d.to("build")
}

func TestGoldenScreens(t *testing.T) {
	tests := []struct {
		name string
		w, h int
		o    Options
		walk func(d *driver)
		svg  bool
	}{
		{"checklist-140x40", 140, 40, Options{}, func(d *driver) { d.to("verify-staging") }, false},
		{"checklist", 110, 32, Options{}, func(d *driver) { d.to("verify-staging") }, true},
		{"checklist-80x24", 80, 24, Options{}, func(d *driver) { d.to("promote") }, false},
		{"checklist-60x20", 60, 20, Options{}, func(d *driver) {}, false},
		{"checklist-ascii-80x24", 80, 24, Options{ASCII: true, NoColor: true}, func(d *driver) {}, false},
		{"hold-80x24", 80, 24, Options{}, func(d *driver) { d.press("H").refresh() }, false},
		{"read-only-80x24", 80, 24, Options{ReadOnly: true}, func(d *driver) {}, false},
		{"artifacts", 110, 26, Options{}, func(d *driver) { d.press("2", "down", "down", "down") }, true},
		{"targets", 110, 26, Options{}, func(d *driver) { d.press("3") }, true},
		{"runs-120x30", 120, 30, Options{}, func(d *driver) { d.press("4") }, false},
		{"journal-120x30", 120, 30, Options{}, func(d *driver) { d.press("5") }, false},
		{"day", 110, 26, Options{}, func(d *driver) { d.press("7") }, true},
		{"day-60x20", 60, 20, Options{ASCII: true, NoColor: true}, func(d *driver) { d.press("7") }, false},
		{"review", 110, 26, Options{}, func(d *driver) { d.press("3", "w") }, true},
		{"review-80x24", 80, 24, Options{}, func(d *driver) { d.press("3", "w") }, false},
		{"promote", 100, 34, Options{}, func(d *driver) {
			d.press("3", "p").wait(armDelay).typed("core-el9 +17", 50e6)
		}, true},
		{"sync-100x34", 100, 34, Options{}, func(d *driver) { d.press("3", "p").wait(armDelay).typed("rocky-9 +41288", 50e6) }, true},
		{"sync-60x24", 60, 24, Options{ASCII: true, NoColor: true}, func(d *driver) { d.press("3", "p").wait(armDelay) }, false},
		{"trees-110x26", 110, 26, Options{}, func(d *driver) { d.press("3") }, false},
		{"trees-half-80x24", 80, 24, Options{}, func(d *driver) { d.press("3", "down", "down") }, false},
		{"marked-80x24", 80, 24, Options{}, func(d *driver) { d.press("3", "m") }, false},
		{"group", 100, 34, Options{}, func(d *driver) { d.press("3", "m", "p").wait(armDelay) }, true},
		{"group-60x20", 60, 20, Options{}, func(d *driver) { d.press("3", "m", "p").wait(armDelay) }, false},
		{"moving-80x24", 80, 24, Options{}, func(d *driver) { d.live(true).press("3") }, false},
		{"partial", 110, 26, Options{}, func(d *driver) { d.live(false).press("3") }, true},
		{"partial-ascii-60x20", 60, 20, Options{ASCII: true, NoColor: true}, func(d *driver) { d.live(false).press("3") }, false},
		{"partial-light-80x24", 80, 24, Options{Theme: config.Light}, func(d *driver) { d.live(false).press("3", "2") }, false},
		{"odd-140x40", 140, 40, Options{}, func(d *driver) { d.odd().press("2", "down", "down") }, false},
		{"odd-80x24", 80, 24, Options{}, func(d *driver) { d.odd().press("2", "down", "down") }, false},
		{"table-80x24", 80, 24, Options{}, func(d *driver) { d.table().press("tab") }, false},
		{"promote-60x20", 60, 20, Options{}, func(d *driver) { d.press("3", "p").wait(armDelay) }, false},
		{"build-80x24", 80, 24, Options{}, func(d *driver) { d.to("build").press("enter").wait(armDelay) }, false},
		{"tick-80x24", 80, 24, Options{}, func(d *driver) { d.to("notes").press(" ") }, false},
		{"help-100x46", 100, 46, Options{}, func(d *driver) { d.press("?") }, false},
		{"small-20x5", 20, 5, Options{}, func(d *driver) {}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			for _, part := range []string{"marked", "group", "moving", "partial"} {
				if strings.HasPrefix(tt.name, part) {
					f = several(t)
				}
			}
			if strings.HasPrefix(tt.name, "sync") || strings.HasPrefix(tt.name, "trees") {
				f = distribution(t)
			}
			if strings.HasPrefix(tt.name, "sync") {
				f.view.Targets = f.view.Targets[:2] // none is half done
			}
			if strings.HasPrefix(tt.name, "day") {
				f = releaseDay(t)
			}
			f.review = reviewed()
			d := drive(t, f, tt.w, tt.h, tt.o)
			tt.walk(d)
			frame := d.m.View()
			golden(t, tt.name+".txt", trimmed(frame))
			if tt.svg {
				golden(t, tt.name+".svg", picture.SVG(frame, "gantry: "+tt.name))
			}
		})
	}
}
