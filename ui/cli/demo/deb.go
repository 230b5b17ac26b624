package demo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// suite is how a suite of the demo packs its packages: by the compressions that
// its distribution's own have.
type suite struct {
	name, pack, libc string
}

var suites = []suite{
	{"noble", "zst", "2.39"},
	{"bookworm", "xz", "2.36"},
}

// buildDebs builds the Debian packages that version brings to a suite. They have
// the same names in every suite, and other bytes: each is built against its own
// distribution.
func buildDebs(dir, product, version string, s suite, now time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("build the packages: %w", err)
	}
	for _, p := range parts {
		if version != Version && !p.moves {
			continue
		}
		arch, pack := "amd64", s.pack
		if p.noarch {
			arch, pack = "all", "gz"
		}
		name := debName(product, p.name)
		deb, err := p.deb(product, name, version, arch, pack, s, now)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+"_"+version+"_"+arch+".deb"), deb, 0o644)
		}
		if err != nil {
			return fmt.Errorf("build %s of %s: %w", name, s.name, err)
		}
	}
	return nil
}

// debName is the name of a package, in the letters that Debian has for them.
func debName(product, part string) string {
	return strings.ReplaceAll(strings.ToLower(product), "_", "-") + "-" + part
}

// deb builds one package (deb(5)): the same bytes for the same arguments.
func (p part) deb(product, name, version, arch, pack string, s suite, now time.Time) ([]byte, error) {
	files := []debFile{
		{"usr/bin/" + name, 0o755, program(name+" of "+s.name, version, p.payload/16)},
		{"usr/share/doc/" + name + "/README", 0o644, []byte(p.summary + " of " + product + " " + version + ", built for " + s.name + "\n")},
	}
	control := []debFile{}
	if p.name == "core" {
		conf := debFile{"etc/" + debName(product, "core.conf"), 0o644, []byte("# listens where it is told\nlisten = 127.0.0.1:8980\n")}
		files = append([]debFile{conf}, files...)
		control = append(control,
			debFile{"conffiles", 0o644, []byte("/" + conf.name + "\n")},
			debFile{"postinst", 0o755, []byte("#!/bin/sh\nset -e\n[ -d /run/systemd/system ] && systemctl daemon-reload || :\n")})
	}
	var sums strings.Builder
	size := 0
	for _, f := range files {
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.body), f.name) // what dpkg --verify reads
		size += (len(f.body) + 1023) / 1024
	}
	control = append(control,
		debFile{"control", 0o644, []byte(p.control(product, name, version, arch, s, size))},
		debFile{"md5sums", 0o644, []byte(sums.String())})
	slices.SortFunc(control, func(a, b debFile) int { return strings.Compare(a.name, b.name) })

	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	member(&deb, "debian-binary", []byte("2.0\n"), now)
	for _, m := range []struct {
		name  string
		files []debFile
	}{{"control.tar", control}, {"data.tar", files}} {
		data, err := packed(m.files, pack, now)
		if err != nil {
			return nil, err
		}
		member(&deb, m.name+"."+pack, data, now)
	}
	return deb.Bytes(), nil
}

// control is the control file of a package; size is that of its files in KiB.
func (p part) control(product, name, version, arch string, s suite, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Package: %s\nSource: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s demo <demo@%s.example>\nInstalled-Size: %d\n",
		name, debName(product, "suite"), version, arch, product, strings.ToLower(product), size)
	var needs []string
	if arch != "all" {
		needs = append(needs, "libc6 (>= "+s.libc+")")
	}
	for _, need := range p.requires {
		needs = append(needs, debName(product, need)+" (>= "+Version+")")
	}
	if len(needs) > 0 {
		fmt.Fprintf(&b, "Depends: %s\n", strings.Join(needs, ", "))
	}
	fmt.Fprintf(&b, "Section: net\nPriority: optional\nHomepage: https://%s.example/\nDescription: %s of %s\n Built by gantry demo for %s; it does nothing.\n .\n It has a second paragraph.\n",
		strings.ToLower(product), p.summary, product, s.name)
	return b.String()
}

// debFile is a file of a package, with its path from the root.
type debFile struct {
	name string
	mode int64
	body []byte
}

// member writes a member of an ar archive in its common form.
func member(w *bytes.Buffer, name string, data []byte, at time.Time) {
	fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, at.Unix(), 0, 0, "100644", len(data))
	w.Write(data)
	if len(data)%2 == 1 {
		w.WriteByte('\n')
	}
}

// packed writes files and the directories that they are in as a compressed tar.
func packed(files []debFile, pack string, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	z, err := packer(&b, pack)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	made := map[string]bool{}
	add := func(h tar.Header, body []byte) error {
		h.ModTime, h.Uname, h.Gname, h.Format = at, "root", "root", tar.FormatGNU
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		_, err := t.Write(body)
		return err
	}
	for _, f := range files {
		var dirs []string
		for dir := path.Dir("./" + f.name); !made["./"+dir]; dir = path.Dir(dir) {
			made["./"+dir] = true
			dirs = append(dirs, dir)
		}
		for _, dir := range slices.Backward(dirs) {
			if dir = "./" + dir + "/"; dir == "././" {
				dir = "./"
			}
			if err := add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
				return nil, err
			}
		}
		if err := add(tar.Header{Name: "./" + f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: int64(len(f.body))}, f.body); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// packer compresses as the ending of a member says.
func packer(w io.Writer, pack string) (io.WriteCloser, error) {
	switch pack {
	case "gz":
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case "xz":
		return xz.NewWriter(w)
	case "zst":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return nil, fmt.Errorf("no compression %q", pack)
}
