package distro

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline/rpm"
	"gantry/storage"
)

// content is what one repository of one architecture holds.
type content struct {
	repo, arch string
	major      int
	age        age
}

// repository builds a repository into a directory: packages, metadata, and the
// advisories of those that have one. It is not signed yet.
func repository(ctx context.Context, dir string, c content, now time.Time) error {
	packages := filepath.Join(dir, "Packages")
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return fmt.Errorf("build a repository: %w", err)
	}
	var files []rpm.PackageFile
	var errata []advisory
	for _, p := range programs {
		v, ok := p.at(c.age)
		if p.repo != c.repo || !ok {
			continue
		}
		name, err := p.build(packages, c.arch, c.major, v)
		if err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		f, err := packageFile(packages, name)
		if err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		ver, rel, _ := strings.Cut(v.evr, "-")
		f.Name, f.Arch = p.name, strings.TrimSuffix(name[strings.LastIndex(strings.TrimSuffix(name, ".rpm"), ".")+1:], ".rpm")
		f.Version = ver + "-" + rel + fmt.Sprintf(".el%d", c.major)
		files = append(files, f)
		if v.errs != "" {
			errata = append(errata, newAdvisory(v.errs, p, f, now))
		}
	}
	return metadata(ctx, dir, files, errata, now)
}

func packageFile(dir, name string) (rpm.PackageFile, error) {
	at := filepath.Join(dir, name)
	b, err := os.ReadFile(at)
	if err != nil {
		return rpm.PackageFile{}, err
	}
	info, err := os.Stat(at)
	if err != nil {
		return rpm.PackageFile{}, err
	}
	sum := sha256.Sum256(b)
	return rpm.PackageFile{
		File:    storage.File{Path: "Packages/" + name, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])},
		ModTime: info.ModTime(),
		Open:    func() (io.ReadCloser, error) { return os.Open(at) },
	}, nil
}

// metadata writes the repodata of packages, with their advisories.
func metadata(ctx context.Context, dir string, files []rpm.PackageFile, errata []advisory, now time.Time) error {
	at := filepath.Join(dir, "repodata")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	var documents [3]bytes.Buffer
	o := rpm.RepodataOptions{Compression: config.Gzip, Revision: now.Unix()}
	r, err := rpm.WriteRepodata(ctx, [3]io.Writer{&documents[0], &documents[1], &documents[2]}, files, o)
	if err != nil {
		return err
	}
	for i, d := range r.Documents() {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(d.Href)), documents[i].Bytes(), 0o644); err != nil {
			return fmt.Errorf("write metadata: %w", err)
		}
	}
	repomd := r.Encode()
	if len(errata) > 0 {
		entry, err := updateinfo(dir, errata, now)
		if err != nil {
			return err
		}
		repomd = bytes.Replace(repomd, []byte("</repomd>"), append(entry, "</repomd>"...), 1)
	}
	if err := os.WriteFile(filepath.Join(at, "repomd.xml"), repomd, 0o644); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	return nil
}

// advisory is one update of updateinfo.xml, as createrepo_c's modifyrepo_c adds
// it to a repository.
type advisory struct {
	XMLName    xml.Name    `xml:"update"`
	From       string      `xml:"from,attr"`
	Status     string      `xml:"status,attr"`
	Type       string      `xml:"type,attr"`
	Version    string      `xml:"version,attr"`
	ID         string      `xml:"id"`
	Title      string      `xml:"title"`
	Issued     date        `xml:"issued"`
	Severity   string      `xml:"severity,omitempty"`
	References []reference `xml:"references>reference"`
	Packages   []affected  `xml:"pkglist>collection>package"`
}

type date struct {
	Date string `xml:"date,attr"`
}

type reference struct {
	Href  string `xml:"href,attr"`
	ID    string `xml:"id,attr"`
	Type  string `xml:"type,attr"`
	Title string `xml:"title,attr"`
}

type affected struct {
	Name     string `xml:"name,attr"`
	Version  string `xml:"version,attr"`
	Release  string `xml:"release,attr"`
	Epoch    string `xml:"epoch,attr"`
	Arch     string `xml:"arch,attr"`
	Filename string `xml:"filename"`
}

// newAdvisory reads "ID type severity title words CVE-...".
func newAdvisory(text string, p program, f rpm.PackageFile, now time.Time) advisory {
	words := strings.Fields(text)
	a := advisory{From: "releng@rocky.example", Status: "final", ID: words[0], Type: words[1], Version: "1", Issued: date{now.UTC().Format("2006-01-02 15:04:05")}}
	if words[2] != "None" {
		a.Severity = words[2]
	}
	words = words[3:]
	if last := words[len(words)-1]; strings.HasPrefix(last, "CVE-") {
		a.References = append(a.References, reference{"https://nvd.nist.gov/vuln/detail/" + last, last, "cve", last})
		words = words[:len(words)-1]
	}
	a.Title = strings.Join(words, " ")
	ver, rel, _ := strings.Cut(f.Version, "-")
	a.Packages = []affected{{p.name, ver, rel, "0", f.Arch, filepath.Base(f.Path)}}
	return a
}

// updateinfo writes the advisories of a repository and returns their element of
// repomd.xml.
func updateinfo(dir string, errata []advisory, now time.Time) ([]byte, error) {
	plain, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"updates"`
		Updates []advisory
	}{Updates: errata}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write advisories: %w", err)
	}
	plain = append([]byte(xml.Header), plain...)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err = z.Write(plain); err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write advisories: %w", err)
	}
	closed, open := sha256.Sum256(packed.Bytes()), sha256.Sum256(plain)
	href := fmt.Sprintf("repodata/%x-updateinfo.xml.gz", closed)
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(href)), packed.Bytes(), 0o644); err != nil {
		return nil, fmt.Errorf("write advisories: %w", err)
	}
	return fmt.Appendf(nil, `  <data type="updateinfo">
    <checksum type="sha256">%x</checksum>
    <open-checksum type="sha256">%x</open-checksum>
    <location href="%s"/>
    <timestamp>%d</timestamp>
    <size>%d</size>
    <open-size>%d</open-size>
  </data>
`, closed, open, href, now.Unix(), packed.Len(), len(plain)), nil
}
