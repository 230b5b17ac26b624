package cli_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// checker judges a release folder after a crash. It shares no code with what
// writes one: it knows the layout, the standard library and OpenPGP.
type checker struct{ dir string }

// fact is a journal entry as the checker reads it.
type fact struct {
	Seq  uint64 `json:"seq"`
	Prev string `json:"prev"`
	Type string `json:"type"`
	Data struct {
		Run     string `json:"run"`
		Target  string `json:"target"`
		Outcome string `json:"outcome"`
		Move    *struct {
			Pointer string `json:"pointer"`
			From    string `json:"from"`
			To      string `json:"to"`
		} `json:"move"`
	} `json:"data"`
}

// journal reads every entry and checks that the chain is whole.
func (c checker) journal() ([]fact, error) {
	names, err := filepath.Glob(filepath.Join(c.dir, "state/journal/[0-9]*.json"))
	if err != nil {
		return nil, err
	}
	var facts []fact
	prev := ""
	for i, name := range names {
		if want := fmt.Sprintf("%020d.json", i+1); filepath.Base(name) != want {
			return nil, fmt.Errorf("entry %d is in %s", i+1, filepath.Base(name))
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f fact
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.Seq != uint64(i+1) || f.Prev != prev {
			return nil, fmt.Errorf("%s: seq %d, prev %q, want %q", name, f.Seq, f.Prev, prev)
		}
		sum := sha256.Sum256(b)
		prev = hex.EncodeToString(sum[:])
		facts = append(facts, f)
	}
	return facts, nil
}

// allowed is what the journal lets a pointer of a target name: what the last
// acknowledged flip says, and what an open intent is about to make of it.
func (c checker) allowed(target, pointer string) (acknowledged string, doubtful []string, err error) {
	facts, err := c.journal()
	if err != nil {
		return "", nil, err
	}
	type intent struct{ target, pointer, to string }
	open := map[string]intent{}
	for _, f := range facts {
		switch f.Type {
		case "run.intent":
			in := intent{target: f.Data.Target}
			if m := f.Data.Move; m != nil {
				in.pointer, in.to = m.Pointer, m.To
			}
			open[f.Data.Run] = in
		case "run.ended":
			in := open[f.Data.Run]
			delete(open, f.Data.Run)
			if m := f.Data.Move; m != nil && in.target == target && m.Pointer == pointer {
				acknowledged = m.To
			}
		}
	}
	for _, in := range open {
		if in.target == target && in.pointer == pointer {
			doubtful = append(doubtful, in.to)
		}
	}
	return acknowledged, doubtful, nil
}

// snapshot checks that a pointer names a snapshot that is whole and signed, and
// returns its id.
func (c checker) snapshot(root, pointer string, keyring openpgp.EntityList) (string, error) {
	link, err := os.Readlink(filepath.Join(root, pointer))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id, ok := strings.CutPrefix(link, "snapshots/")
	if !ok {
		return "", fmt.Errorf("%s names %q", pointer, link)
	}
	at := filepath.Join(root, pointer)
	var manifest struct {
		ID    string `json:"id"`
		Files []struct {
			Path   string `json:"path"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
		} `json:"files"`
	}
	b, err := os.ReadFile(filepath.Join(at, "manifest.json"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(b, &manifest); err != nil || manifest.ID != id || len(manifest.Files) == 0 {
		return "", fmt.Errorf("manifest of %s: id %q, %d files: %v", id, manifest.ID, len(manifest.Files), err)
	}
	listed := map[string]bool{"manifest.json": true}
	for _, f := range manifest.Files {
		listed[f.Path] = true
		if err := sameBytes(filepath.Join(at, f.Path), f.Size, f.SHA256); err != nil {
			return "", err
		}
	}
	err = fs.WalkDir(os.DirFS(at), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !listed[p] {
			err = fmt.Errorf("%s is not in the manifest of %s", p, id)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return id, c.repository(at, keyring)
}

func sameBytes(path string, size int64, digest string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(b); int64(len(b)) != size || hex.EncodeToString(sum[:]) != digest {
		return fmt.Errorf("%s: %d bytes, sha256 %x; want %d, %s", path, len(b), sum, size, digest)
	}
	return nil
}

// repository follows the chain from the signature to every package.
func (c checker) repository(at string, keyring openpgp.EntityList) error {
	repomd, err := os.ReadFile(filepath.Join(at, "repodata/repomd.xml"))
	if err != nil {
		return err
	}
	sig, err := os.ReadFile(filepath.Join(at, "repodata/repomd.xml.asc"))
	if err != nil {
		return err
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(keyring, bytes.NewReader(repomd), bytes.NewReader(sig), nil); err != nil {
		return fmt.Errorf("repomd.xml.asc: %w", err)
	}
	var md struct {
		Data []struct {
			Type     string `xml:"type,attr"`
			Checksum string `xml:"checksum"`
			Size     int64  `xml:"size"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"data"`
	}
	if err := xml.Unmarshal(repomd, &md); err != nil {
		return err
	}
	packages := 0
	for _, d := range md.Data {
		if err := sameBytes(filepath.Join(at, d.Location.Href), d.Size, d.Checksum); err != nil {
			return err
		}
		if d.Type != "primary" {
			continue
		}
		n, err := c.packages(at, d.Location.Href)
		if err != nil {
			return err
		}
		packages += n
	}
	if len(md.Data) < 3 || packages == 0 {
		return fmt.Errorf("%d metadata files name %d packages", len(md.Data), packages)
	}
	return nil
}

func (c checker) packages(at, href string) (int, error) {
	f, err := os.Open(filepath.Join(at, href))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	var primary struct {
		Package []struct {
			Checksum string `xml:"checksum"`
			Size     struct {
				Package int64 `xml:"package,attr"`
			} `xml:"size"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"package"`
	}
	if err := xml.NewDecoder(z).Decode(&primary); err != nil {
		return 0, err
	}
	for _, p := range primary.Package {
		if err := sameBytes(filepath.Join(at, p.Location.Href), p.Size.Package, p.Checksum); err != nil {
			return 0, err
		}
	}
	return len(primary.Package), nil
}

// check judges a target: whatever the moment of the crash, both pointers name
// whole snapshots, and production is the last acknowledged one or that of the
// one run in doubt.
func (c checker) check(target, root string) error {
	armored, err := os.ReadFile(filepath.Join(c.dir, "keys/public.asc"))
	if err != nil {
		return err
	}
	keyring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return err
	}
	for _, pointer := range []string{"staging", "production"} {
		id, err := c.snapshot(root, pointer, keyring)
		if err != nil {
			return fmt.Errorf("%s: %w", pointer, err)
		}
		acknowledged, doubtful, err := c.allowed(target, pointer)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		ok := id == acknowledged
		for _, d := range doubtful {
			ok = ok || id == d
		}
		if !ok {
			return fmt.Errorf("%s names %q; acknowledged is %q, in doubt %q", pointer, id, acknowledged, doubtful)
		}
	}
	return nil
}
