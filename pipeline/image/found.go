package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gantry/config"
)

// Verdict is what is known of one image of a matrix.
type Verdict string

// Verdicts. Only Verified is good.
const (
	Present    Verdict = "present"     // with a checksum and of its size, not hashed yet
	Verified   Verdict = "verified"    // its bytes have the SHA-256 of its checksum
	Missing    Verdict = "MISSING"     // no such file
	Several    Verdict = "SEVERAL"     // more than one file could be it
	Empty      Verdict = "EMPTY"       // a file of no bytes
	NoChecksum Verdict = "NO CHECKSUM" // its CHECKSUM file does not name it, or is not there
	Mismatch   Verdict = "MISMATCH"    // other bytes than its checksum says
	Unreadable Verdict = "UNREADABLE"  // it, or its CHECKSUM file
)

// Found is a matrix as it was found.
type Found struct {
	*Matrix
	Images   []Image  // one for each cell, in their order
	Findings []string // what keeps the images from being released, in words
	folders  map[string]*Folder
}

// Image is what was found of a cell.
type Image struct {
	Cell
	Verdict Verdict
	Name    string  // of the file, empty where there is not exactly one
	Folder  *Folder // nil where it could not be opened
	Detail  string  // why not, in words
}

// Look looks what is there, without reading the images. What is missing or wrong
// is a finding; the caller closes what was found.
func (m *Matrix) Look() *Found {
	v := &Found{Matrix: m, folders: map[string]*Folder{}}
	failed, why := map[string]Verdict{}, map[string]string{}
	edition, cannot := m.open()
	if cannot == nil {
		defer edition.Close()
	}
	for _, c := range m.Cells {
		if _, known := v.folders[c.Dir]; known || failed[c.Dir] != "" {
			continue
		}
		f, err := (*Folder)(nil), cannot
		if err == nil {
			f, err = openFolder(edition, c.at, m.Checksum)
		}
		if errors.Is(err, fs.ErrNotExist) {
			failed[c.Dir], why[c.Dir] = Missing, config.Inert(c.Dir)+" is not there"
			v.find("%s", why[c.Dir])
			continue
		}
		if err != nil {
			failed[c.Dir], why[c.Dir] = Unreadable, config.Inert(err.Error())
			v.find("%s", why[c.Dir])
			continue
		}
		v.folders[c.Dir] = f
		v.compare(f)
	}
	for _, c := range m.Cells {
		im := Image{Cell: c, Folder: v.folders[c.Dir]}
		if im.Folder == nil {
			im.Verdict, im.Detail = failed[c.Dir], why[c.Dir]
		} else {
			v.judge(&im)
		}
		v.Images = append(v.Images, im)
	}
	return v
}

// Close closes the directories.
func (v *Found) Close() {
	for _, f := range v.folders {
		_ = f.Close() // it was only read
	}
}

func (v *Found) find(format string, args ...any) {
	v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
}

// judge tells what a cell is before its bytes are read.
func (v *Found) judge(im *Image) {
	names := im.Folder.Match(im.Cell)
	switch len(names) {
	case 0:
		im.Verdict = Missing
		v.find("%s: no %s", im.Title(), im.File)
		return
	case 1:
		im.Name = names[0]
	default:
		im.Verdict = Several
		v.find("%s: %s could each be %s", im.Title(), strings.Join(names, ", "), im.File)
		return
	}
	sum, named := im.Folder.Sums[im.Name]
	switch size := im.Folder.Files[im.Name].Size(); {
	case size == 0:
		im.Verdict = Empty
		v.find("%s: %s is empty", im.Title(), im.Name)
	case !named:
		im.Verdict = NoChecksum // the comparison with the file of checksums found it
	case sum.Size >= 0 && sum.Size != size:
		im.Verdict = Mismatch
	default:
		im.Verdict = Present
	}
}

// compare compares a directory with its files of checksums, both ways.
func (v *Found) compare(f *Folder) {
	where := filepath.Base(f.Dir)
	for _, odd := range f.Odd {
		v.find("%s: %s", where, odd)
	}
	if len(f.Sums) == 0 {
		v.find("%s: no %s", where, v.Checksum)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if of, ok := strings.CutSuffix(name, ".CHECKSUM"); ok {
			v.own(f, where, name, of)
		} else if _, named := f.Sums[name]; !named && len(f.Sums) > 0 && !beside(name, v.Checksum) {
			v.find("%s: %s does not name %s", where, v.Checksum, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Sums)) {
		sum, info := f.Sums[name], f.Files[name]
		switch {
		case info == nil:
			v.find("%s: %s names %s, which is not there", where, v.Checksum, name)
		case sum.Size >= 0 && sum.Size != info.Size():
			v.find("%s: %s has %d bytes, %s says %d", where, name, info.Size(), v.Checksum, sum.Size)
		}
	}
}

// own compares the file of checksums that one image has for itself.
func (v *Found) own(f *Folder, where, name, of string) {
	sums, err := f.parse(name)
	switch {
	case err != nil:
		v.find("%s: %s", where, config.Inert(err.Error()))
	case len(sums) != 1 || sums[0].Name != of:
		v.find("%s: %s is not the checksum of %s alone", where, name, of)
	case len(f.Sums) > 0 && sums[0].SHA256 != f.Sums[of].SHA256:
		v.find("%s: %s and %s do not agree", where, name, v.Checksum)
	}
}

// Rows is the matrix in words: for each variant what each architecture has.
func (v *Found) Rows() map[string]string {
	rows := map[string]string{}
	for _, variant := range v.Variants {
		var cells []string
		for _, arch := range v.Arch {
			is := "none wanted"
			for _, im := range v.Images {
				if im.Variant == variant && im.Arch == arch {
					is = string(im.Verdict)
				}
			}
			cells = append(cells, string(arch)+" "+is)
		}
		rows[strings.TrimSpace(string(v.Name)+" "+variant)] = strings.Join(cells, ", ")
	}
	return rows
}

// Fingerprint is a digest of the names, sizes and times of the files there that
// wanted picks.
func (v *Found) Fingerprint(wanted func(name string) bool) string {
	h := sha256.New()
	for _, dir := range slices.Sorted(maps.Keys(v.folders)) {
		f := v.folders[dir]
		fmt.Fprintf(h, "%q\n", dir)
		for _, name := range slices.Sorted(maps.Keys(f.Files)) {
			if wanted(name) {
				fmt.Fprintf(h, "%q %d %d\n", name, f.Files[name].Size(), f.Files[name].ModTime().UnixNano())
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
