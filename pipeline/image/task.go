package image

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gantry/config"
)

// task is what is to be written in one directory.
type task struct {
	*Folder
	checksum string
	links    map[string]string // all that there must be, by their name
	names    []string          // all that get a checksum: images, and links to them
}

// tasks lays out the work. An incomplete matrix is refused: a CHECKSUM file that
// lacks an image looks like one that is whole.
func tasks(v *Found) ([]*task, error) {
	byDir := map[string]*task{}
	var problems []string
	for _, im := range v.Images {
		if im.Name == "" || im.Verdict == Empty {
			if words := cmp.Or(im.Detail, im.Title()+": "+im.File+" is "+string(im.Verdict)); !slices.Contains(problems, words) {
				problems = append(problems, words)
			}
			continue
		}
		t := byDir[im.Dir]
		if t == nil {
			t = &task{Folder: im.Folder, checksum: v.Checksum, links: map[string]string{}}
			byDir[im.Dir] = t
		}
		if im.Latest == "" {
			continue
		}
		if was := t.links[im.Latest]; was != "" && was != im.Name {
			problems = append(problems, fmt.Sprintf("%s and %s would both be %s", was, im.Name, im.Latest))
		}
		if is := im.Folder.Files[im.Latest]; is != nil && im.Folder.Links[im.Latest] == "" {
			problems = append(problems, im.Latest+" is a file and no link")
		}
		t.links[im.Latest] = im.Name
	}
	all := make([]*task, 0, len(byDir))
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		t := byDir[dir]
		problems = append(problems, t.lay()...)
		all = append(all, t)
	}
	return all, refusal(problems, "build or fetch what is missing, or name under except: what there is none of; nothing was written")
}

// lay lists what gets a checksum, and what speaks against it.
func (t *task) lay() (problems []string) {
	where := filepath.Base(t.Dir)
	names := map[string]bool{}
	for name, info := range t.Files {
		if beside(name, t.checksum) {
			continue
		}
		names[name] = true
		if info.Size() == 0 {
			problems = append(problems, where+": "+name+" is empty")
		}
	}
	for link := range t.links {
		names[link] = true
	}
	for _, odd := range t.Odd {
		if link, _, _ := strings.Cut(odd, " "); t.links[link] == "" { // ours are made anew
			problems = append(problems, where+": "+odd)
		}
	}
	for name := range t.Sums {
		if !names[name] {
			problems = append(problems, fmt.Sprintf("%s: %s names %s, which is not there", where, t.checksum, name))
		}
	}
	t.names = slices.Sorted(maps.Keys(names))
	slices.Sort(problems)
	return problems
}

// file is what a name will lead to.
func (t *task) file(name string) string {
	if to := t.links[name]; to != "" {
		name = to
	}
	if to := t.Links[name]; to != "" {
		name = to
	}
	return name
}

// sums are the checksums of a directory. One that is there and says something else
// stops it: either the file or the checksum is not what was published.
func (t *task) sums(h *hashed) ([]Sum, error) {
	var sums []Sum
	for _, name := range t.names {
		file := t.file(name)
		digest, err := h.digest(t.Folder, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.Inert(t.Dir), err)
		}
		is := Sum{name, t.Files[file].Size(), digest}
		if err := t.agrees(is, t.checksum, t.Sums); err != nil {
			return nil, err
		}
		if t.Files[name+".CHECKSUM"] != nil {
			own, err := t.parse(name + ".CHECKSUM")
			if err != nil {
				return nil, err
			}
			was := map[string]Sum{}
			for _, s := range own {
				was[s.Name] = s
			}
			if err := t.agrees(is, name+".CHECKSUM", was); err != nil {
				return nil, err
			}
		}
		sums = append(sums, is)
	}
	return sums, nil
}

func (t *task) agrees(is Sum, file string, all map[string]Sum) error {
	was, named := all[is.Name]
	if !named || was.SHA256 == is.SHA256 && (was.Size < 0 || was.Size == is.Size) {
		return nil
	}
	return config.Hint(fmt.Errorf("%s has the SHA-256 %s, and %s says %s", is.Name, is.SHA256, config.Inert(filepath.Join(t.Dir, file)), was.SHA256),
		"find out which is right; where it is the image, remove its lines from the CHECKSUM files and run this again")
}
