package repodata

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Read checks the document against what repomd.xml says of it: r is the file's
// bytes, of which it reads all. What is packed in them is handed to use, which
// may be nil, as it is unpacked: nothing of it is to be trusted before Read
// returns nil.
func (d Document) Read(r io.Reader, use func(io.Reader) error) error {
	if err := d.read(r, use); err != nil {
		return fmt.Errorf("read %s: %w", d.Href, err)
	}
	return nil
}

// Verify checks the document's file against what repomd.xml says of it, without
// unpacking it.
func (d Document) Verify(r io.Reader) error {
	err := d.check()
	var packed *meter
	if err == nil {
		packed, err = newMeter(r, d.Checksum, d.Size)
	}
	if err == nil {
		err = packed.finish()
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", d.Href, err)
	}
	return nil
}

func (d Document) read(r io.Reader, use func(io.Reader) error) error {
	if err := d.check(); err != nil {
		return err
	}
	packed, err := newMeter(r, d.Checksum, d.Size)
	if err != nil {
		return err
	}
	unpacked, err := unpack(packed, d.Href)
	if err != nil {
		return err
	}
	defer unpacked.Close()
	plain := &meter{r: unpacked, left: d.most(), open: true}
	if d.OpenSize > 0 {
		plain.left, plain.open = d.OpenSize, false
	}
	if d.Open != (Checksum{}) {
		if plain.sum, err = d.Open.hash(); err != nil {
			return err
		}
		plain.want = d.Open.Hex
	}
	if use != nil {
		if err := use(plain); err != nil {
			return err
		}
	}
	for _, m := range []*meter{plain, packed} {
		if err := m.finish(); err != nil {
			return err
		}
	}
	return nil
}

// meter is a reader that knows what is to come through it.
type meter struct {
	r    io.Reader
	sum  hash.Hash // nil where no digest is known
	left int64
	open bool // it may end before
	want string
}

func newMeter(r io.Reader, c Checksum, size int64) (*meter, error) {
	h, err := c.hash()
	return &meter{r: r, sum: h, left: size, want: c.Hex}, err
}

var errLonger = errors.New("it is longer than repomd.xml says")

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errLonger
	}
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	return n, err
}

// finish reads the rest, and tells whether what came through was all and the
// right thing.
func (m *meter) finish() error {
	if _, err := io.Copy(io.Discard, m); err != nil {
		return err
	}
	if m.left != 0 && !m.open {
		return fmt.Errorf("it is %d bytes shorter than repomd.xml says", m.left)
	}
	if m.sum == nil {
		return nil
	}
	if got := hex.EncodeToString(m.sum.Sum(nil)); got != m.want {
		return fmt.Errorf("its checksum is %s, repomd.xml says %s", got, m.want)
	}
	return nil
}
