package rpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"gantry/config"
	"gantry/pipeline/repodata"
)

// piece is a chunk on its way through the writer: plain and compressed.
type piece struct {
	pkgs   []PackageFile
	id     string
	old    held
	reuse  bool // copied from the earlier snapshot
	same   bool // and all before it too, so its plain text is not needed
	plain  [parts]markup
	packed [parts]bytes.Buffer
	sum    [parts]string
	done   chan struct{}

	damaged bool // what was to be copied did not have its digest
}

// past is the metadata of an earlier snapshot.
type past struct {
	packages int
	chunks   map[string]held
	files    [parts]*os.File
}

// openPast opens the earlier metadata. Where there is none that fits, all is
// made anew.
func openPast(o RepodataOptions) *past {
	p := &past{}
	if o.Previous == nil {
		return p
	}
	x := readIndex(o.Previous.Index, o.Compression)
	if x.Format == 0 {
		return p
	}
	for i := range parts {
		f, err := o.Previous.Open(x.Files[i])
		if err != nil {
			p.close()
			return &past{}
		}
		p.files[i] = f
	}
	p.packages, p.chunks = x.Packages, x.byID()
	return p
}

func (p *past) close() {
	for _, f := range p.files {
		if f != nil {
			f.Close()
		}
	}
}

// maker makes pieces, one at a time.
type maker struct {
	pack  *packer
	past  *past
	facts facts
}

func newMaker(c config.Compression, past *past) (*maker, error) {
	pack, err := newPacker(c)
	return &maker{pack: pack, past: past}, err
}

// make fills a piece: from the earlier snapshot if it is there and has its
// digest, else from the packages.
func (k *maker) make(p *piece) error {
	if p.damaged = p.reuse && k.copy(p) != nil; p.reuse && !p.damaged {
		return nil
	}
	p.reuse = false
	for i := range parts {
		p.plain[i].b = p.plain[i].b[:0]
	}
	for i := range p.pkgs {
		if err := k.describe(p, &p.pkgs[i]); err != nil {
			return fmt.Errorf("read %s: %w", p.pkgs[i].Path, err)
		}
	}
	for i := range parts {
		p.packed[i].Reset()
		if err := k.pack.pack(&p.packed[i], p.plain[i].b); err != nil {
			return fmt.Errorf("compress %s: %w", repodata.Types[i], err)
		}
		p.sum[i] = digest(p.packed[i].Bytes())
	}
	return nil
}

// describe appends a package to the documents.
func (k *maker) describe(p *piece, f *PackageFile) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	h, err := ReadHeader(r)
	if e := r.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	k.facts.load(f, h)
	if err := k.facts.matches(); err != nil {
		return err
	}
	k.facts.primary(&p.plain[partPrimary])
	k.facts.filelists(&p.plain[partFilelists])
	k.facts.other(&p.plain[partOther])
	return nil
}

// copy takes a chunk over. The plain text is unpacked for the documents' own
// digests.
func (k *maker) copy(p *piece) error {
	for i := range parts {
		size := p.old.Size[i]
		if size < 0 || size > maxChunk || p.old.at[i] < 0 || p.old.Open[i] < 0 || p.old.Open[i] > maxChunk {
			return errUnpack
		}
		b := &p.packed[i]
		b.Reset()
		n, err := io.Copy(b, io.NewSectionReader(k.past.files[i], p.old.at[i], size))
		if err != nil {
			return err
		}
		if p.sum[i] = digest(b.Bytes()); n != size || p.sum[i] != p.old.Sum[i] {
			return errUnpack
		}
		p.plain[i].b = p.plain[i].b[:0]
		if p.same {
			continue
		}
		if p.plain[i].b, err = k.pack.unpack(p.plain[i].b, b.Bytes(), p.old.Open[i]); err != nil {
			return err
		}
	}
	return nil
}

// digest is the SHA-256 of b in hex.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
