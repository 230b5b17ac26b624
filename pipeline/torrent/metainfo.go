package torrent

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"gantry/pipeline/aside"
)

// torrent is a torrent file (BEP 3, 12).
type torrent struct {
	raw  []byte
	meta metainfo.MetaInfo
	info metainfo.Info
}

// mostTorrent is the size of the largest torrent file that is read.
const mostTorrent = 16 << 20

// hash is what names the torrent to trackers.
func (t *torrent) hash() [20]byte { return t.meta.HashInfoBytes() }

// id is the hash in hex.
func (t *torrent) id() string { return t.meta.HashInfoBytes().HexString() }

// compose makes the torrent of a content with the hashes of its pieces.
func (s subject) compose(c content, size int64, pieces []byte, version string, now time.Time) (*torrent, error) {
	comment, err := s.comment(c.Cell, version)
	if err != nil {
		return nil, err
	}
	t := &torrent{info: metainfo.Info{Name: c.name, PieceLength: size, Pieces: pieces}}
	for _, name := range c.files {
		t.info.Files = append(t.info.Files, metainfo.FileInfo{Length: c.Folder.Files[name].Size(), Path: []string{name}})
	}
	info, err := bencode.Marshal(t.info)
	if err != nil {
		return nil, err
	}
	t.meta = metainfo.MetaInfo{InfoBytes: info, Announce: s.t.Trackers[0], Comment: comment, CreatedBy: "gantry", CreationDate: now.Unix()}
	for _, tracker := range s.t.Trackers { // a tier each: the next is asked when the one before is silent
		t.meta.AnnounceList = append(t.meta.AnnounceList, []string{tracker})
	}
	t.raw, err = bencode.Marshal(t.meta)
	return t, err
}

// wants tells whether a torrent says, byte for byte, what one does that is made now
// of a content with these hashes of its pieces, whenever it was made itself.
func (s subject) wants(t *torrent, c content, pieces []byte, version string) bool {
	want, err := s.compose(c, s.size(c), pieces, version, time.Unix(t.meta.CreationDate, 0))
	return err == nil && bytes.Equal(t.raw, want.raw)
}

// of tells whether the torrent names the files of a content, with their sizes.
func (t *torrent) of(c content) bool {
	return t.info.Name == c.name && slices.EqualFunc(t.info.Files, c.files, func(f metainfo.FileInfo, name string) bool {
		return len(f.Path) == 1 && f.Path[0] == name && f.Length == c.Folder.Files[name].Size()
	})
}

// load reads a torrent of a directory; nil where there is none.
func load(dir *os.Root, name string) (*torrent, error) {
	raw, _, err := aside.Read(dir, name, mostTorrent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// parse reads a torrent of several files in one directory, and refuses any other.
func parse(raw []byte) (*torrent, error) {
	if len(raw) > mostTorrent {
		return nil, fmt.Errorf("%d bytes are more than a torrent has", len(raw))
	}
	if err := flat(raw); err != nil {
		return nil, err
	}
	t := &torrent{raw: raw}
	if err := bencode.Unmarshal(raw, &t.meta); err != nil {
		return nil, fmt.Errorf("no torrent: %w", err)
	}
	if err := bencode.Unmarshal(t.meta.InfoBytes, &t.info); err != nil {
		return nil, fmt.Errorf("no torrent: %w", err)
	}
	size, total := t.info.PieceLength, int64(0)
	for _, f := range t.info.Files {
		if f.Length < 0 || total+f.Length < total || len(f.Path) != 1 {
			return nil, errors.New("no torrent of files in one directory")
		}
		total += f.Length
	}
	if size < 1 || total < 1 || len(t.info.Pieces)%sha1.Size != 0 || int64(len(t.info.Pieces)/sha1.Size) != (total-1)/size+1 {
		return nil, errors.New("the pieces are not those of its files")
	}
	return t, nil
}

// flat refuses bencoding that is cut short or nested deeper than any torrent is:
// the reader calls itself for each level.
func flat(b []byte) error {
	depth := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == 'd' || c == 'l':
			if depth++; depth > 16 {
				return errors.New("nested deeper than any torrent")
			}
			i++
		case c == 'e':
			if depth--; depth < 0 {
				return errors.New("no torrent: it ends before it began")
			}
			i++
		case c == 'i':
			n := bytes.IndexByte(b[i:], 'e')
			if n < 0 || n > 21 {
				return errors.New("no torrent: a number without end")
			}
			i += n + 1
		default:
			n := bytes.IndexByte(b[i:min(len(b), i+10)], ':')
			if n < 1 {
				return errors.New("no torrent: neither number nor text")
			}
			size, err := strconv.ParseUint(string(b[i:i+n]), 10, 31)
			if err != nil || int64(size) > int64(len(b)-i-n-1) {
				return errors.New("no torrent: text that is cut short")
			}
			i += n + 1 + int(size)
		}
	}
	if depth != 0 {
		return errors.New("no torrent: it is cut short")
	}
	return nil
}
