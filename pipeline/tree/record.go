package tree

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// phase is how far a sync is.
type phase string

const (
	copying  phase = "copying"  // packages and images; clients see nothing new
	naming   phase = "naming"   // metadata, repomd.xml last
	waiting  phase = "waiting"  // clients have the new metadata; what it does not name any more stays for a while
	removing phase = "removing" // and goes
	complete phase = "complete"
	undoing  phase = "undoing" // it is taken back
	undone   phase = "undone"
)

// record is what a sync did, kept beside the tree: enough to go on with it, and
// to take it back. It is the file record.json of its undo area.
type record struct {
	ID       string `json:"id"`                 // its UTC time, 20060102T150405Z
	Previous string `json:"previous,omitempty"` // sync before it
	Target   string `json:"target"`
	Place    string `json:"place"` // staging or production
	Release  string `json:"release,omitempty"`
	Edition  string `json:"edition,omitempty"`
	Run      string `json:"run,omitempty"` // the latest that was at it: the journal knows whose

	From   string `json:"from"`             // absolute directory that was copied
	Staged string `json:"staged,omitempty"` // of production: the sync of staging that was copied
	To     string `json:"to"`               // directory below the area's root

	Phase     phase           `json:"phase"`
	Goal      string          `json:"goal,omitempty"` // of an undo: the sync that it goes back to
	Begun     time.Time       `json:"begun"`
	Settled   time.Time       `json:"settled,omitzero"` // when clients had the new metadata
	Completed time.Time       `json:"completed,omitzero"`
	Made      []string        `json:"made,omitempty"` // directories above the tree that were made for it
	Counts    pipeline.Counts `json:"counts"`
	Bytes     int64           `json:"bytes"`
	Repos     []string        `json:"repos,omitempty"` // directories with metadata of a repository
}

const (
	recordFile  = "record.json"
	changesFile = "changes" // what was there and what comes there, a line each, written before it is done
	listingFile = "tree"    // what the whole tree holds when it is complete
	filesDir    = "files"   // what was replaced or removed, at its path
	asideDir    = "aside"   // what others wrote since and an undo moved away
	currentFile = "current"
	gonePrefix  = ".gone-" // of undo areas that are being removed

	maxRecord  = 4 << 20
	maxRecords = 10_000
)

// chain is the syncs of one place of a target, oldest first.
type chain struct {
	root    *folder // of the area; nil on a store
	far     *ledger // on a store; nil elsewhere
	at      string  // below it
	place   string
	records []*record
	current string // the sync that the tree is the result of
}

// homeOf is where the records of a place are, below its root.
func homeOf(undo, target, place string) string { return undo + "/" + target + "/" + place }

// readChain reads the records of a place. There may be none.
func readChain(root *folder, undo, target, place string) (*chain, error) {
	c := &chain{root: root, at: homeOf(undo, target, place), place: place}
	home, err := root.open(c.at)
	if errors.Is(err, unix.ENOENT) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the undo area of %s: %w", place, err)
	}
	defer home.close()
	names, err := home.names(make([]byte, 32<<10))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if _, err := storage.ParseID(name); err != nil {
			continue
		}
		if len(c.records) == maxRecords {
			return nil, fmt.Errorf("more than %d syncs in %s", maxRecords, c.at)
		}
		r, err := readRecord(home, name, target, place)
		if errors.Is(err, unix.ENOENT) {
			continue // it was begun and nothing was done yet
		}
		if err != nil {
			return nil, config.Hint(fmt.Errorf("the record of sync %s of %s: %w", name, place, err), "look at "+home.name(name)+" below the root of "+place)
		}
		c.records = append(c.records, r)
	}
	if c.current, err = readCurrent(home); err != nil {
		return nil, err
	}
	if c.current != "" && c.find(c.current) == nil {
		return nil, config.Hint(fmt.Errorf("%s is the result of sync %s, which has no record", place, c.current), "look at "+home.path+" below the root")
	}
	return c, nil
}

// readCurrent is the sync that the tree of a place is the result of.
func readCurrent(home *folder) (string, error) {
	b, err := readSmall(home, currentFile, 64)
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id := strings.TrimSuffix(string(b), "\n")
	if _, err = storage.ParseID(id); err == nil {
		var at *folder
		if at, err = home.open(id); err == nil {
			at.close()
		}
	}
	if err != nil {
		return "", config.Hint(fmt.Errorf("%s is the result of sync %q, which has no record", home.path, config.Inert(id)), "look at "+home.path+" below the root")
	}
	return id, nil
}

func readRecord(home *folder, id, target, place string) (*record, error) {
	at, err := home.open(id)
	if err != nil {
		return nil, err
	}
	defer at.close()
	b, err := readSmall(at, recordFile, maxRecord)
	if err != nil {
		return nil, err
	}
	return parseRecord(b, id, target, place)
}

// parseRecord reads a record, which must be that of a sync of a place.
func parseRecord(b []byte, id, target, place string) (*record, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	r := &record{}
	if err := d.Decode(r); err != nil {
		return nil, err
	}
	phases := []phase{copying, naming, waiting, removing, complete, undoing, undone}
	if r.ID != id || r.Target != target || r.Place != place || !slices.Contains(phases, r.Phase) || plainPath(r.To) != nil || r.To == "." {
		return nil, errEntry
	}
	for _, p := range slices.Concat(r.Made, r.Repos) {
		if err := plainPath(p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// readSmall reads a file of at most that many bytes.
func readSmall(at *folder, name string, most int64) ([]byte, error) {
	fd, err := at.read(name)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), at.name(name))
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no file", at.name(name)))
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", at.name(name), most)
	}
	return b, err
}

func (c *chain) find(id string) *record {
	for _, r := range c.records {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// last is when the newest sync was.
func (c *chain) last() (at time.Time) {
	if c != nil && len(c.records) > 0 {
		at, _ = storage.ParseID(c.records[len(c.records)-1].ID) // nothing else is read
	}
	return at
}

// half is the sync, or the undo of one, that did not come to its end; nil
// without.
func (c *chain) half() *record {
	for _, r := range slices.Backward(c.records) {
		if r.Phase != undone && (r.Phase != complete || r.ID > c.current) {
			return r
		}
	}
	return nil
}

// done are the syncs that came to their end and were not taken back, oldest
// first.
func (c *chain) done() []*record {
	return slices.DeleteFunc(slices.Clone(c.records), func(r *record) bool { return r.Phase != complete && r.Phase != undoing || r.ID > c.current })
}

// home opens the directory of a sync, and makes it where it is not there.
func (c *chain) home(id string) (*folder, error) {
	return c.root.make(c.at+"/"+id, 0o700, nil)
}

// write puts a record down, durably.
func (c *chain) write(ctx context.Context, r *record) error {
	if c.far != nil {
		return c.far.advance(ctx, c, r)
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	home, err := c.home(r.ID)
	if err != nil {
		return err
	}
	defer home.close()
	if err := home.writeFile(recordFile, append(b, '\n')); err != nil {
		return explained(err)
	}
	if c.find(r.ID) == nil {
		c.records = append(c.records, r)
	}
	storage.Reach("tree.phase." + string(r.Phase))
	return nil
}

// point makes a sync the one that the tree is the result of; none for "".
func (c *chain) point(ctx context.Context, id string) error {
	if c.far != nil {
		return c.far.point(ctx, c, id)
	}
	home, err := c.root.make(c.at, 0o700, nil)
	if err != nil {
		return err
	}
	defer home.close()
	if id != "" {
		err = home.writeFile(currentFile, []byte(id+"\n"))
	} else if err = home.unlink(currentFile); errors.Is(err, unix.ENOENT) {
		err = nil
	}
	if err == nil {
		err = home.sync()
	}
	if err != nil {
		return explained(err)
	}
	c.current = id
	storage.Reach("tree.pointed")
	return nil
}

// note adds changes to those that a sync is about to make, durably and before any
// of them is made.
func note(home *folder, lists ...[]change) error {
	fd, err := again(func() (int, error) {
		return unix.Openat(home.fd, changesFile, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return home.fail("open", changesFile, err)
	}
	f := os.NewFile(uintptr(fd), home.name(changesFile))
	w := bufio.NewWriterSize(f, 1<<20)
	// An empty line begins a batch and a dot ends it: of one that a crash cut off,
	// nothing was done.
	_, err = w.WriteString("\n")
	if err == nil {
		err = writeChanges(w, lists...)
	}
	if err == nil {
		_, err = w.WriteString(".\n")
	}
	err = errors.Join(err, w.Flush())
	if err == nil {
		err = f.Sync()
	}
	return explained(errors.Join(err, f.Close()))
}

func writeChanges(w io.Writer, lists ...[]change) error {
	var line []byte
	for _, list := range lists {
		for i := range list {
			line = list[i].append(line[:0])
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// noted reads them back, with the number of the batch that each is of.
func noted(home *folder, yield func(batch int, c change) error) error {
	var batch []change
	number := 0
	var bad error
	return lines(home, changesFile, func(line []byte) error {
		switch {
		case len(line) == 0:
			batch, bad = nil, nil
			number++
		case string(line) == ".":
			for _, c := range batch {
				if bad == nil {
					bad = yield(number, c)
				}
			}
			return bad
		default:
			c, err := parseChange(line)
			if err != nil && bad == nil {
				bad = fmt.Errorf("%s: %w", home.name(changesFile), err)
			}
			batch = append(batch, c)
		}
		return nil
	})
}

// lines reads a file of a record line by line.
func lines(home *folder, name string, yield func(line []byte) error) error {
	fd, err := home.read(name)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), home.name(name))
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(make([]byte, 64<<10), 64<<10)
	for s.Scan() {
		if err := yield(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}
