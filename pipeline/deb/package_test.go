package deb_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/deb"
)

func TestReadPackage(t *testing.T) {
	for _, extension := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("control.tar"+extension, func(t *testing.T) {
			b := debOf(t, extension, controlText)
			p, err := deb.ReadPackage(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(b)
			got := []any{p.Name, p.Version, p.Arch, p.Source, p.Size, p.SHA256, p.Filename()}
			want := []any{"toy", "1:1.0-2", "amd64", "toys", int64(len(b)), hex.EncodeToString(sum[:]), "toy_1.0-2_amd64.deb"}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			stanza := controlText + "Filename: pool/toy.deb\nSize: "
			if s := string(p.Stanza("pool/toy.deb")); !strings.HasPrefix(s, stanza) || !strings.HasSuffix(s, "\nSHA256: "+p.SHA256+"\n") {
				t.Errorf("the stanza is %q", s)
			}
		})
	}
}

// TestReadBuiltPackage reads what dpkg-deb builds.
func TestReadBuiltPackage(t *testing.T) {
	need(t, "dpkg-deb")
	for _, compression := range []string{"none", "gzip", "xz", "zstd"} {
		for _, uniform := range []string{"--uniform-compression", "--no-uniform-compression"} {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "toy/DEBIAN"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "toy/DEBIAN/control"), []byte(controlText), 0o644); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "toy.deb")
			if out, err := exec.Command("dpkg-deb", "--root-owner-group", uniform, "-Z"+compression, "--build", filepath.Join(dir, "toy"), file).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := deb.ReadPackage(f)
			f.Close()
			if err != nil || p.String() != "toy_1:1.0-2_amd64" {
				t.Errorf("%s %s: %v, %v", compression, uniform, p, err)
			}
		}
	}
}

// refused are control files that are no good.
var refused = map[string]struct{ control, want string }{
	"empty":                 {"", "empty"},
	"no package":            {strings.Replace(controlText, "Package: toy\n", "", 1), "no Package"},
	"no version":            {strings.Replace(controlText, "Version: 1:1.0-2\n", "", 1), "no Version"},
	"no architecture":       {strings.Replace(controlText, "Architecture: amd64\n", "", 1), "no Architecture"},
	"no maintainer":         {strings.Replace(controlText, "Maintainer: A Person <a@example.com>\n", "Maintainer: \n", 1), "no Maintainer"},
	"no description":        {controlText[:strings.Index(controlText, "Description")], "no Description"},
	"a second paragraph":    {controlText + "\nPackage: evil\n", "empty line"},
	"an empty line":         {strings.Replace(controlText, "Version", "\nVersion", 1), "empty line"},
	"a line of spaces":      {strings.Replace(controlText, "Version", " \nVersion", 1), "empty line"},
	"a line of tabs":        {strings.Replace(controlText, "Version", "\t\t\nVersion", 1), "empty line"},
	"a field twice":         {controlText + "Version: 2\n", "twice"},
	"a field twice by case": {controlText + "vErsion: 2\n", "twice"},
	"a NUL":                 {strings.Replace(controlText, "a toy", "a\x00toy", 1), "control character"},
	"a carriage return":     {strings.ReplaceAll(controlText, "\n", "\r\n"), "control character"},
	"an escape sequence":    {strings.Replace(controlText, "a toy", "a\x1b[31mtoy", 1), "control character"},
	"a comment":             {"# evil: yes\n" + controlText, "beginning of a field"},
	"a dash":                {"-Evil: yes\n" + controlText, "beginning of a field"},
	"no colon":              {"Evil\n" + controlText, "beginning of a field"},
	"begins with a space":   {" Evil: yes\n" + controlText, "middle of a field"},
	"a path as its name":    {strings.Replace(controlText, "Package: toy", "Package: ../../etc/toy", 1), "bad name"},
	"dots as its name":      {strings.Replace(controlText, "Package: toy", "Package: a..b", 1), "bad name"},
	"a big letter":          {strings.Replace(controlText, "Package: toy", "Package: Toy", 1), "bad name"},
	"a huge name":           {strings.Replace(controlText, "Package: toy", "Package: t"+strings.Repeat("o", 300), 1), "bad name"},
	"a path as its source":  {strings.Replace(controlText, "toys (", "../toys (", 1), "source has the bad name"},
	"a path as its version": {strings.Replace(controlText, "1:1.0-2", "1:1.0/../2", 1), "bad version"},
	"a version of letters":  {strings.Replace(controlText, "1:1.0-2", "abc", 1), "bad version"},
	"an empty revision":     {strings.Replace(controlText, "1:1.0-2", "1.0-", 1), "bad version"},
	"a huge epoch":          {strings.Replace(controlText, "1:1.0-2", "9999999999:1", 1), "bad epoch"},
	"a huge version":        {strings.Replace(controlText, "1:1.0-2", "1"+strings.Repeat("0", 300), 1), "bad version"},
	"a bad architecture":    {strings.Replace(controlText, "amd64", "amd64 i386", 1), "bad architecture"},
	"a control bomb":        {controlText + strings.Repeat("X-Filler: "+strings.Repeat("x", 1000)+"\n", 1100), "more than"},
}

func TestReadPackageRefusesControl(t *testing.T) {
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			p, err := deb.ReadPackage(bytes.NewReader(debOf(t, ".gz", c.control)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", p, err, c.want)
			}
		})
	}
}

func TestReadPackageRefusesArchives(t *testing.T) {
	good := debOf(t, ".gz", controlText)
	format := member{name: "debian-binary", data: []byte("2.0\n")}
	control := member{name: "control.tar.gz", data: pack(t, ".gz", tarOf(t, member{name: "./control", data: []byte(controlText)}))}
	data := member{name: "data.tar.gz", data: pack(t, ".gz", tarOf(t))}
	toy := member{name: "./control", data: []byte(controlText)}
	huge := bytes.Clone(good)
	copy(huge[8+48:], "9999999999")
	negative := bytes.Clone(good)
	copy(negative[8+48:], "-4        ")
	for name, c := range map[string]struct {
		deb  []byte
		want string
	}{
		"empty":                      {nil, "cut short"},
		"an rpm":                     {append([]byte("\xed\xab\xee\xdb"), make([]byte, 200)...), "not a Debian package"},
		"no members":                 {arOf(), "no debian-binary"},
		"no control":                 {arOf(format), "no control.tar"},
		"no data":                    {arOf(format, control), "no data.tar"},
		"wrong order":                {arOf(format, data, control), "does not belong"},
		"control first":              {arOf(control, format, data), "does not belong"},
		"two controls":               {arOf(format, control, control, data), "does not belong"},
		"another control at the end": {arOf(format, control, data, member{name: "control.tar.xz"}), "does not belong"},
		"a member more":              {arOf(format, control, data, member{name: "evil"}), "does not belong"},
		"a long name":                {arOf(format, member{name: "#1/20"}, control, data), "does not belong"},
		"format 3":                   {arOf(member{name: "debian-binary", data: []byte("3.0\n")}, control, data), "format"},
		"format bomb":                {arOf(member{name: "debian-binary", data: make([]byte, 1000)}, control, data), "debian-binary has"},
		"bzip2 control":              {arOf(format, member{name: "control.tar.bz2"}, data), "does not belong"},
		"many members":               {arOf(append([]member{format, control, data}, make100("_x")...)...), "more than 64 members"},
		"huge size":                  {huge, "debian-binary has"},
		"negative size":              {negative, "no number"},
		"damaged gzip":               {arOf(format, member{name: "control.tar.gz", data: []byte("not gzip")}, data), "damaged"},
		"damaged xz":                 {arOf(format, member{name: "control.tar.xz", data: bytes.Repeat([]byte("not xz"), 9)}, data), "damaged"},
		"damaged zstd":               {arOf(format, member{name: "control.tar.zst", data: []byte("not zstd")}, data), "damaged"},
		"data after control":         {arOf(format, member{name: "control.tar.gz", data: append(bytes.Clone(control.data), "evil"...)}, data), "damaged"},
		"empty control.tar":          {debWith(t, ".gz"), "no control file"},
		"two control files":          {debWith(t, ".gz", toy, toy), "two control files"},
		"control by two names":       {debWith(t, ".gz", toy, member{name: "control", data: []byte(controlText)}), "two control files"},
		"control is a link":          {debWith(t, ".gz", member{name: "control", kind: tar.TypeSymlink, link: "postinst"}), "not a regular file"},
		"a device":                   {debWith(t, ".gz", toy, member{name: "dev", kind: tar.TypeChar}), "neither a file"},
		"a file outside":             {debWith(t, ".gz", toy, member{name: "../evil"}), "outside"},
		"a file outside, deeper":     {debWith(t, ".gz", toy, member{name: "a/../../evil"}), "outside"},
		"a file with dots":           {debWith(t, ".gz", toy, member{name: "a/../b"}), "outside"},
		"an absolute file":           {debWith(t, ".gz", toy, member{name: "/etc/passwd"}), "outside"},
		"a link outside":             {debWith(t, ".gz", toy, member{name: "l", kind: tar.TypeSymlink, link: "../../etc"}), "link out"},
		"an absolute link":           {debWith(t, ".gz", toy, member{name: "l", kind: tar.TypeLink, link: "/etc/passwd"}), "link out"},
		"gzip bomb":                  {debWith(t, ".gz", toy, member{name: "bomb", data: make([]byte, 40<<20)}), "more than 32 MiB"},
		"xz bomb":                    {debWith(t, ".xz", toy, member{name: "bomb", data: make([]byte, 40<<20)}), "more than 32 MiB"},
		"zstd bomb":                  {debWith(t, ".zst", toy, member{name: "bomb", data: make([]byte, 40<<20)}), "more than 32 MiB"},
		"many files":                 {debWith(t, ".gz", append([]member{toy}, makeMany(1100)...)...), "more than 1024 files"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := deb.ReadPackage(bytes.NewReader(c.deb))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", p, err, c.want)
			}
		})
	}
}

func make100(name string) (all []member) {
	for range 100 {
		all = append(all, member{name: name})
	}
	return all
}

func makeMany(n int) (all []member) {
	for range n {
		all = append(all, member{name: "file"})
	}
	return all
}

// TestDictionaryBomb reads a small package whose .xz asks for 4 GiB of memory.
func TestDictionaryBomb(t *testing.T) {
	b := debOf(t, ".xz", controlText)
	at := bytes.Index(b, []byte("\xfd7zXZ\x00")) + 12
	length := (int(b[at]) + 1) * 4
	filter := bytes.Index(b[at:at+length], []byte{0x21, 1})
	b[at+filter+2] = 40 // 4 GiB - 1
	binary.LittleEndian.PutUint32(b[at+length-4:], crc32.ChecksumIEEE(b[at:at+length-4]))
	sum := sha256.Sum256(b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := deb.ReadPackage(bytes.NewReader(b))
	if err != nil || p.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatal(p, err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 8<<20 {
		t.Errorf("it takes %d bytes to read a package of %d", allocated, len(b))
	}
}

// TestTruncatedPackage cuts a package at every byte.
func TestTruncatedPackage(t *testing.T) {
	for _, extension := range []string{"", ".gz", ".xz", ".zst"} {
		b := debOf(t, extension, controlText)
		whole := len(b)
		if last := pack(t, extension, tarOf(t, member{name: "./usr/bin/toy", data: []byte("toy")})); len(last)%2 == 1 {
			whole-- // the padding may be missing
		}
		for n := range whole {
			if p, err := deb.ReadPackage(bytes.NewReader(b[:n])); err == nil {
				t.Fatalf("%s: read %v of %d bytes of %d", extension, p, n, len(b))
			}
		}
	}
}

// TestSmuggledFields lets a package bring along what only the repository says.
func TestSmuggledFields(t *testing.T) {
	evil := controlText + `Filename: evil.deb
 and its second line
size: 1
MD5sum: 00
SHA1: 00
SHA256: 00
SHA512: 00
Checksum-FileSize: 1
Status: install ok installed
X-Kept: yes
`
	p, err := deb.ReadPackage(bytes.NewReader(debOf(t, ".gz", evil)))
	if err != nil {
		t.Fatal(err)
	}
	got := string(p.Stanza("pool/toy.deb"))
	want := controlText + "X-Kept: yes\nFilename: pool/toy.deb\nSize: "
	if !strings.HasPrefix(got, want) || strings.Contains(got, "evil") || strings.Count(got, "SHA") != 1 {
		t.Errorf("the stanza is %q", got)
	}
}

func TestMembersWithUnderscore(t *testing.T) {
	b := debOf(t, ".gz", controlText)
	b = append(b, arOf(member{name: "_gpgbuilder", data: []byte("signature")})[8:]...)
	if p, err := deb.ReadPackage(bytes.NewReader(b)); err != nil || p.Size != int64(len(b)) {
		t.Errorf("a package with a signature: %v, %v", p, err)
	}
}

func FuzzReadPackage(f *testing.F) {
	for _, extension := range []string{"", ".gz", ".xz", ".zst"} {
		f.Add(debOf(f, extension, controlText))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := deb.ReadPackage(bytes.NewReader(b))
		if err != nil {
			return
		}
		if p.Size != int64(len(b)) {
			t.Fatalf("read %d bytes of %d", p.Size, len(b))
		}
		again(t, p)
	})
}

// FuzzControl reads control files: whatever is taken must be one package in an
// index, and the one that it says it is.
func FuzzControl(f *testing.F) {
	f.Add(controlText)
	for _, c := range refused {
		f.Add(c.control)
	}
	f.Fuzz(func(t *testing.T, control string) {
		if p, err := deb.ReadPackage(bytes.NewReader(debOf(t, "", control))); err == nil {
			again(t, p)
		}
	})
}

// again reads the stanza of a package back from an index.
func again(t *testing.T, p *deb.Package) {
	t.Helper()
	var all []deb.Ref
	index := append(p.Stanza("pool/x.deb"), '\n')
	if err := deb.ReadIndex(bytes.NewReader(append(index, index...)), func(r deb.Ref) error {
		all = append(all, r)
		return nil
	}); err != nil {
		t.Fatalf("%v of %q", err, index)
	}
	if len(all) != 2 {
		t.Fatalf("%d packages of %q", len(all), index)
	}
	for _, r := range all {
		if r.Name != p.Name || r.Version != p.Version || r.Arch != p.Arch || r.Path != "pool/x.deb" || r.Size != p.Size || r.SHA256 != p.SHA256 {
			t.Fatalf("%v became %v", p, r)
		}
	}
}
