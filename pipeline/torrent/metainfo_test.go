package torrent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
)

const small = "d4:infod5:filesld6:lengthi1e4:pathl1:aeee4:name1:n12:piece lengthi1e6:pieces20:" + "01234567890123456789" + "ee"

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct{ text, words string }{
		"small":           {small, ""},
		"empty":           {"", "no torrent"},
		"a page":          {"<html>", "neither number nor text"},
		"cut short":       {small[:60], "cut short"},
		"deep":            {strings.Repeat("l", 1<<20), "nested deeper"},
		"huge text":       {"d4:info999999999:x", "cut short"},
		"number":          {"di" + strings.Repeat("9", 100), "number without end"},
		"ends too early":  {"e", "before it began"},
		"a list":          {"le", "no torrent"},
		"nothing":         {"de", "no torrent"},
		"other pieces":    {strings.Replace(small, "lengthi1e4", "lengthi2e4", 1), "pieces are not those"},
		"negative length": {strings.Replace(small, "lengthi1e4", "lengthi-1e4", 1), "no torrent of files"},
		"no piece length": {strings.Replace(small, "piece lengthi1e", "piece lengthi0e", 1), "pieces are not those"},
		"a directory":     {strings.Replace(small, "l1:ae", "l1:a1:be", 1), "no torrent of files"},
		"too large":       {strings.Repeat(" ", mostTorrent+1), "more than a torrent has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(tc.text))
			if tc.words == "" && err != nil || tc.words != "" && (err == nil || !strings.Contains(err.Error(), tc.words)) {
				t.Errorf("%v does not say %q", err, tc.words)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("d8:announce3:udp13:announce-listll3:udpee4:infod6:lengthi1e4:name1:nee"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parse(raw)
		if err != nil {
			return
		}
		again, err := bencode.Marshal(p.meta)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parse(again)
		if err != nil || q.id() != p.id() || !bytes.Equal(q.meta.InfoBytes, p.meta.InfoBytes) {
			t.Fatalf("%q became %q: %v", raw, again, err)
		}
	})
}

func TestPieceSize(t *testing.T) {
	for total, want := range map[int64]int64{
		1: 256 << 10, 500 << 20: 256 << 10, 501 << 20: 512 << 10, 2 << 30: 2 << 20, 11563106304: 8 << 20, 1 << 40: 16 << 20,
	} {
		if got := pieceSize(total); got != want {
			t.Errorf("%d bytes: %d", total, got)
		}
	}
}

// Pieces that span files are those of the files one after the other, whoever reads
// them first; a file that changes meanwhile is an error.
func TestStream(t *testing.T) {
	dir := t.TempDir()
	var whole bytes.Buffer
	s := &stream{image: 1}
	for i, size := range []int{100, 5 << 20, 0, 70_000} {
		text := bytes.Repeat([]byte{byte('a' + i), byte(size)}, size/2)
		name := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		s.parts = append(s.parts, part{file, s.total, info})
		s.total += info.Size()
		whole.Write(text)
	}
	defer s.close()
	var counted turns // its lock
	var n int64
	count := func(more int64) { counted.mu.Lock(); n += more; counted.mu.Unlock() }
	got, digest, err := s.hash(t.Context(), 64<<10, true, count)
	if err != nil {
		t.Fatal(err)
	}
	want, image := sums(whole.Bytes(), 64<<10, whole.Bytes()[100:100+5<<20])
	if !bytes.Equal(got, want) || digest != image || n != s.total {
		t.Errorf("%x and %s, want %x and %s; %d of %d bytes", got, digest, want, image, n, s.total)
	}
	if err := os.Truncate(filepath.Join(dir, "b"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.hash(t.Context(), 64<<10, true, count); err == nil || !strings.Contains(err.Error(), "b") {
		t.Errorf("a file that is cut short: %v", err)
	}
}
