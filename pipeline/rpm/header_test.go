package rpm_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/rpmpack"

	"gantry/pipeline/rpm"
)

// pack makes a package with a library.
func pack(t testing.TB, m rpmpack.RPMMetaData) []byte {
	t.Helper()
	if m.Name == "" {
		m.Name = "core"
	}
	if m.Version == "" {
		m.Version = "2025.1"
	}
	if m.Release == "" {
		m.Release = "1.el9"
	}
	if m.Arch == "" {
		m.Arch = "x86_64"
	}
	m.BuildTime = time.Unix(1760000000, 0)
	p, err := rpmpack.NewRPM(m)
	if err != nil {
		t.Fatal(err)
	}
	p.AddFile(rpmpack.RPMFile{Name: "/usr/share/core/data", Body: []byte("data\n"), Mode: 0o644, Owner: "root", Group: "root"})
	p.AddFile(rpmpack.RPMFile{Name: "/usr/bin/core", Body: []byte("#!/bin/sh\n"), Mode: 0o755, Owner: "root", Group: "root"})
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// corpus is the path of a package of rpm's own tests.
func corpus(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("GANTRY_CORPUS")
	if dir == "" {
		t.Skip("GANTRY_CORPUS is not set")
	}
	return filepath.Join(dir, "rpm", name)
}

func TestHeadersReadAsByRPM(t *testing.T) {
	names, err := filepath.Glob(corpus(t, "*.rpm"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d packages, %v", len(names), err)
	}
	const query = `%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{BUILDTIME}|%{SUMMARY}|%{LICENSE}|[%{FILESIZES},]|[%{FILEMODES},]|[%{BASENAMES},]|[%{PROVIDES},]|[%{CHANGELOGTIME},]`
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			h, err := rpm.ReadHeader(bytes.NewReader(data))
			if err != nil {
				if strings.Contains(err.Error(), "outside of its region") && strings.Contains(name, "badima") {
					return
				}
				t.Fatal(err)
			}
			n, err := h.NEVRA()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(filepath.Base(name), n.Name) && n.Name != "test" && n.Name != "foo" {
				t.Errorf("it is %s", n)
			}
			if source := strings.HasSuffix(name, ".src.rpm"); h.IsSource() != source || (n.Arch == "src") != source {
				t.Errorf("source %v, arch %s", h.IsSource(), n.Arch)
			}
			if magic := []byte{0x8e, 0xad, 0xe8}; !bytes.HasPrefix(data[h.Start:], magic) || h.End > int64(len(data)) {
				t.Errorf("the header is at %d to %d of %d", h.Start, h.End, len(data))
			}
			numbers := func(tag int) (s string) {
				for _, n := range h.Uint64s(tag) {
					s += strconv.FormatUint(n, 10) + ","
				}
				if s == "" {
					s = "(none)"
				}
				return strings.TrimSuffix(s, "(none)")
			}
			list := func(tag int) string {
				if !h.Has(tag) {
					return ""
				}
				return strings.Join(h.Strs(tag), ",") + ","
			}
			got := strings.Join([]string{
				h.Str(1000), strconv.Itoa(n.Epoch), h.Str(1001), h.Str(1002), strconv.FormatUint(h.Uint64(1006), 10), h.Str(1004), h.Str(1014),
				numbers(1028), numbers(1030), list(1117), list(1047), numbers(1080),
			}, "|")
			want := run(t, "rpm", "-qp", "--nodigest", "--nosignature", "--dbpath", t.TempDir(), "--qf", query, name)
			if want = strings.ReplaceAll(want, "(none),", ""); got != strings.ReplaceAll(want, "(none)", "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	good := pack(t, rpmpack.RPMMetaData{Epoch: 1, Summary: "a package"})
	h, err := rpm.ReadHeader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	intro := int(h.Start)
	entries := int(binary.BigEndian.Uint32(good[intro+8:]))
	size := int(binary.BigEndian.Uint32(good[intro+12:]))
	entry := func(i int) int { return intro + 16 + 16*i }
	store := entry(entries)
	trailer := store + int(binary.BigEndian.Uint32(good[entry(0)+8:]))
	put := func(at int, n uint32) func([]byte) { return func(b []byte) { binary.BigEndian.PutUint32(b[at:], n) } }
	for _, tt := range []struct {
		name   string
		change func([]byte)
		want   string
	}{
		{"another file", func(b []byte) { copy(b, "PK\x03\x04") }, "not an RPM package"},
		{"format 2", func(b []byte) { b[4] = 2 }, "format 2 is unknown"},
		{"signature type 1", func(b []byte) { b[79] = 1 }, "signature type 1"},
		{"signature magic", func(b []byte) { b[96] = 0 }, "bad magic"},
		{"signature of 33 entries", put(96+8, 33), "33 entries"},
		{"signature of 64 MiB", put(96+12, 64<<20), "67108864 bytes"},
		{"magic", func(b []byte) { b[intro] = 0 }, "bad magic"},
		{"no entries", put(intro+8, 0), "empty"},
		{"no data", put(intro+12, 0), "empty"},
		{"too many entries", put(intro+8, 1<<16+1), "65537 entries"},
		{"too much data", put(intro+12, 1<<31), "2147483648 bytes"},
		{"more data than there is", put(intro+12, 64<<20), "ends within"},
		{"no region", put(entry(0), 100), "offset"},
		{"region elsewhere", put(entry(0)+8, uint32(size)), "bad region tag"},
		{"region of another type", put(entry(0)+4, 6), "bad region tag"},
		{"trailer of another tag", put(trailer, 62), "bad region trailer"},
		{"trailer of less", put(trailer+8, -uint32(16*(entries-1))), "outside of its region"},
		{"reserved tag", put(entry(1), 63), "reserved tag 63"},
		{"tag twice", put(entry(3), binary.BigEndian.Uint32(good[entry(2):])), "twice"},
		{"type 0", put(entry(2)+4, 0), "type 0"},
		{"type 10", put(entry(2)+4, 10), "type 10"},
		{"count 0", put(entry(2)+12, 0), "count 0"},
		{"count of all", put(entry(2)+12, 1<<32-1), "count 4294967295"},
		{"offset behind", put(entry(2)+8, uint32(size)), "offset"},
		{"offset before", put(entry(entries-1)+8, 0), "offset 0"},
		{"string without end", func(b []byte) {
			for i := store; i < store+size; i++ {
				if b[i] == 0 {
					b[i] = 'a'
				}
			}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := bytes.Clone(good)
			tt.change(bad)
			if _, err := rpm.ReadHeader(bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for n := range int(h.End) {
		if _, err := rpm.ReadHeader(bytes.NewReader(good[:n])); err == nil {
			t.Fatalf("%d of %d bytes are a header", n, h.End)
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	for _, m := range []rpmpack.RPMMetaData{
		{Name: "../../etc/passwd"},
		{Name: "a/b"},
		{Name: "."},
		{Name: "-rf"},
		{Name: "a\nb"},
		{Name: "a\x1b[31mb"},
		{Name: "a\u202eb"},
		{Name: "a b"},
		{Name: strings.Repeat("a", 300)},
		{Version: "1/2"},
		{Version: "1-2"},
		{Version: ".."},
		{Release: "1\x00"},
		{Release: "1;rm"},
		{Arch: "../x86_64"},
		{Arch: "X86"},
		{Epoch: 1 << 31},
		{Name: strings.Repeat("a", 120), Version: strings.Repeat("1", 60), Release: strings.Repeat("1", 60)},
	} {
		data := pack(t, m)
		h, err := rpm.ReadHeader(bytes.NewReader(data))
		if err != nil {
			continue
		}
		n, err := h.NEVRA()
		if err == nil {
			if m.Release != "1\x00" { // which is the end of the string
				t.Errorf("%q is accepted", n)
			}
			continue
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("the error is not harmless: %q", err)
		}
		if _, err := rpm.Check(bytes.NewReader(data), nil, time.Now()); err == nil {
			t.Errorf("%+v passes the check", m)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(pack(f, rpmpack.RPMMetaData{Epoch: 3, Summary: "a package", Compressor: "gzip"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := rpm.ReadHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		if h.Start < 0 || h.End < h.Start || h.End > int64(len(data)) {
			t.Fatalf("the header is at %d to %d of %d", h.Start, h.End, len(data))
		}
		for tag := range 1200 {
			total := 0
			for _, s := range h.Strs(tag) {
				total += len(s)
			}
			if total > len(data) {
				t.Fatalf("tag %d has %d bytes", tag, total)
			}
			h.Str(tag)
			h.Bytes(tag)
			h.Uint64(tag)
			h.Uint32s(tag)
			h.Uint64s(tag)
		}
		if n, err := h.NEVRA(); err == nil && (n.Filename() != filepath.Base(n.Filename()) || len(n.Filename()) > 240) {
			t.Fatalf("%q is no file name", n.Filename())
		}
	})
}
