package deb_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// need skips a test whose foreign program is missing, or fails it where the
// machine promises to have them all.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// member is a file of an archive, ar or tar.
type member struct {
	name string
	data []byte
	kind byte // of tar; 0 is a regular file
	link string
}

func arOf(members ...member) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		b.Write(m.data)
		if len(m.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.data)), Typeflag: m.kind, Linkname: m.link, ModTime: time.Unix(0, 0)}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, extension string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch extension {
	case "":
		return b
	case ".gz":
		w = gzip.NewWriter(&out)
	case ".xz":
		w, err = xz.NewWriter(&out)
	case ".zst":
		w, err = zstd.NewWriter(&out)
	}
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const controlText = `Package: toy
Source: toys (1:0.9)
Version: 1:1.0-2
Architecture: amd64
Maintainer: A Person <a@example.com>
Depends: libc6 (>= 2.36),
 other
Description: a toy
 of more than one line
 .
 and a second paragraph.
`

// debOf is a package with that control file.
func debOf(t testing.TB, extension, control string) []byte {
	t.Helper()
	return debWith(t, extension, member{name: "./", kind: tar.TypeDir}, member{name: "./control", data: []byte(control)}, member{name: "./md5sums", data: []byte("x  y\n")})
}

func debWith(t testing.TB, extension string, files ...member) []byte {
	t.Helper()
	return arOf(
		member{name: "debian-binary", data: []byte("2.0\n")},
		member{name: "control.tar" + extension, data: pack(t, extension, tarOf(t, files...))},
		member{name: "data.tar" + extension, data: pack(t, extension, tarOf(t, member{name: "./usr/bin/toy", data: []byte("toy")}))})
}

// pkg is a small package.
func pkg(t testing.TB, name, version, arch string) []byte {
	t.Helper()
	return debOf(t, ".xz", fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: A <a@example.com>\nDescription: %s\n %s\n", name, version, arch, name, strings.Repeat("long ", 5)))
}
