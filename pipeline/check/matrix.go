package check

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/channel"
	"gantry/storage"
)

// Matrix is what is staged for a release: a row for each place of the staging
// area, such as rpm el9-x86_64, a column for each component and series.
type Matrix struct {
	Columns []string // such as core 2025
	Rows    []Row
	Lacking []string // what must be staged and is not, with the target, in words
}

// Row is one place of a Matrix.
type Row struct {
	Name  string
	Cells []Cell // one for each column
}

// Cell is what is staged at one place for one component.
type Cell struct {
	Targets  []config.Name // that take it; none where there is nothing to stage
	Files    int
	Bytes    int64
	Verified int             // files with the digest that their sidecar states
	Odd      int             // files that keep a release from being made
	Worst    storage.Verdict // of the odd ones, the first
	Lacks    []string        // what must be there and is not, in words
}

// NewMatrix orders what is staged by the targets that it is for. Artifacts that
// are for none of them are left out.
func NewMatrix(targets []*config.Target, staged []storage.Artifact) *Matrix {
	at := map[storage.Place][]storage.Artifact{}
	for _, a := range staged {
		at[a.Place] = append(at[a.Place], a)
	}
	m := &Matrix{}
	for _, t := range targets {
		for _, p := range pipeline.Places(t) {
			c := m.cell(string(p.Component)+" "+p.Series, p.Format+" "+p.OS)
			if len(c.Targets) == 0 {
				for _, a := range at[p] {
					c.add(a)
				}
			}
			c.Targets = append(c.Targets, t.Name)
			for _, l := range lacks(t, p, at) {
				c.Lacks = append(c.Lacks, l)
				m.Lacking = append(m.Lacking, fmt.Sprintf("%s for %s (%s %s)", l, t.Name, p.Format, p.OS))
			}
		}
	}
	return m
}

// cell finds a cell, or makes its row and column.
func (m *Matrix) cell(column, row string) *Cell {
	x := slices.Index(m.Columns, column)
	if x < 0 {
		x = len(m.Columns)
		m.Columns = append(m.Columns, column)
		for i := range m.Rows {
			m.Rows[i].Cells = append(m.Rows[i].Cells, Cell{})
		}
	}
	y := slices.IndexFunc(m.Rows, func(r Row) bool { return r.Name == row })
	if y < 0 {
		y = len(m.Rows)
		m.Rows = append(m.Rows, Row{Name: row, Cells: make([]Cell, len(m.Columns))})
	}
	return &m.Rows[y].Cells[x]
}

func (c *Cell) add(a storage.Artifact) {
	c.Files++
	c.Bytes += a.Size
	switch a.Verdict {
	case storage.Verified:
		c.Verified++
	case storage.Unverified:
	default:
		if c.Odd++; c.Odd == 1 {
			c.Worst = a.Verdict
		}
	}
}

// lacks says what is missing of a target at one of its places.
func lacks(t *config.Target, p storage.Place, at map[storage.Place][]storage.Artifact) []string {
	here := at[p]
	if t.Format == config.FormatOCI {
		if n := len(here); n != 1 {
			return []string{fmt.Sprintf("%s staged instead of one archive", count(n))}
		}
		return nil
	}
	if len(here) == 0 && !elsewhere(t, p, at) {
		return []string{"nothing is staged"}
	}
	var lacking []string
	for _, name := range t.Expect {
		if !has(t.Format, here, name) && !has(t.Format, universal(t, at), name) {
			lacking = append(lacking, "no package "+name)
		}
	}
	return lacking
}

func count(n int) string {
	if n == 0 {
		return "nothing is"
	}
	return fmt.Sprintf("%d files are", n)
}

// elsewhere tells whether an architecture may be empty, since all that is staged
// for the others of the target is for every architecture.
func elsewhere(t *config.Target, p storage.Place, at map[storage.Place][]storage.Artifact) bool {
	all := 0
	for _, other := range pipeline.Places(t) {
		if other != p {
			all += len(at[other])
		}
	}
	return all > 0 && all == len(universal(t, at))
}

// universal is what is staged for every architecture of a Debian suite.
func universal(t *config.Target, at map[storage.Place][]storage.Artifact) []storage.Artifact {
	if t.Format != config.FormatDEB {
		return nil
	}
	var all []storage.Artifact
	for _, p := range pipeline.Places(t) {
		for _, a := range at[p] {
			if pkg, ok := channel.Split(t.Format, a.File); ok && pkg.Arch == "all" {
				all = append(all, a)
			}
		}
	}
	return all
}

// has tells whether a package of that name is staged, by the names of files;
// sources are none.
func has(format config.Format, staged []storage.Artifact, name string) bool {
	return slices.ContainsFunc(staged, func(a storage.Artifact) bool {
		pkg, ok := channel.Split(format, a.File)
		return ok && pkg.Name == name && pkg.Arch != "src" && pkg.Arch != "nosrc" && a.Verdict != storage.OrphanSidecar
	})
}

// String says in words what is staged there.
func (c Cell) String() string {
	switch {
	case len(c.Targets) == 0:
		return "-"
	case len(c.Lacks) > 0 && c.Files > 0:
		return fmt.Sprintf("%d, %s", c.Files, c.Lacks[0])
	case len(c.Lacks) > 0:
		return "MISSING"
	case c.Files == 0: // what is staged for the others is for this one too
		return "none needed"
	case c.Odd > 0:
		return fmt.Sprintf("%d, %d BAD: %s", c.Files, c.Odd, c.Worst)
	case c.Verified == c.Files:
		return fmt.Sprintf("%d verified", c.Files)
	default:
		return fmt.Sprintf("%d unverified", c.Files)
	}
}

// String is the matrix as text, a line for each row below one of headings.
func (m *Matrix) String() string {
	lines := make([][]string, 1+len(m.Rows))
	lines[0] = append([]string{""}, m.Columns...)
	for i, row := range m.Rows {
		lines[i+1] = []string{row.Name}
		for _, c := range row.Cells {
			lines[i+1] = append(lines[i+1], c.String())
		}
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var padded strings.Builder
		for i, text := range line {
			fmt.Fprintf(&padded, "%-*s  ", widths[i], text)
		}
		b.WriteString(strings.TrimRight(padded.String(), " ") + "\n")
	}
	return b.String()
}
