package tree_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"gantry/pipeline/repodata"
)

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// repo makes a repository of packages by name, with content for each, as a
// compose writes it anew: old metadata and packages that are not named go.
func repo(t testing.TB, at string, packages map[string]string, signed bool) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(at, "repodata")); err != nil {
		t.Fatal(err)
	}
	old, _ := filepath.Glob(filepath.Join(at, "Packages", "*", "*.rpm"))
	var x strings.Builder
	fmt.Fprintf(&x, `<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">`, len(packages))
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		href := "Packages/" + name[:1] + "/" + name + "-1-1.noarch.rpm"
		p := filepath.Join(at, filepath.FromSlash(href))
		old = slices.DeleteFunc(old, func(o string) bool { return o == p })
		content := packages[name]
		if was, err := os.ReadFile(p); err != nil || string(was) != content {
			put(t, p, content)
		}
		fmt.Fprintf(&x, `<package type="rpm"><name>%s</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="sha256" pkgid="YES">%s</checksum>`+
			`<size package="%d"/><location href="%s"/><format><rpm:header-range start="1" end="2"/></format></package>`, name, hexSum([]byte(content)), len(content), href)
	}
	x.WriteString(`</metadata>`)
	r := repodata.Repomd{Revision: 1}
	for i, d := range r.Documents() {
		plain := []byte(x.String())
		if i > 0 {
			plain = []byte("<" + repodata.Types[i] + "/>")
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(plain)
		z.Close()
		*d = repodata.Document{Type: repodata.Types[i], Href: "repodata/" + hexSum(b.Bytes()) + "-" + repodata.Types[i] + ".xml.gz",
			Checksum: repodata.Checksum{Kind: "sha256", Hex: hexSum(b.Bytes())}, Size: int64(b.Len()),
			Open: repodata.Checksum{Kind: "sha256", Hex: hexSum(plain)}, OpenSize: int64(len(plain))}
		put(t, filepath.Join(at, filepath.FromSlash(d.Href)), b.String())
	}
	put(t, filepath.Join(at, "repodata", "repomd.xml"), string(r.Encode()))
	if signed {
		put(t, filepath.Join(at, "repodata", "repomd.xml.asc"), "signature of "+hexSum(r.Encode()))
	}
	for _, p := range old {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
}

// packages are n packages whose content is of a round.
func packages(round, n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("%c-pack-%d-%d", 'a'+i%5, i, round/(1+i%4))] = strings.Repeat(fmt.Sprintf("content %d of %d ", i, round/(1+i%4)), 5+i)
	}
	return all
}

// composed is a small compose of two repositories with what else one has.
func (w *world) composed(round int) {
	w.t.Helper()
	for i, p := range []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"} {
		repo(w.t, w.compose(p), packages(round+i, 12), true)
	}
	put(w.t, w.compose("BaseOS/x86_64/os/.treeinfo"), fmt.Sprint("treeinfo ", round))
	put(w.t, w.compose("BaseOS/x86_64/os/media.repo"), "[InstallMedia]")
	put(w.t, w.compose("isos/x86_64/CHECKSUM"), fmt.Sprint("checksum ", round))
	put(w.t, w.compose("isos/x86_64/Rocky-9.7-x86_64-boot.iso"), strings.Repeat(fmt.Sprint("iso ", round), 50000))
	put(w.t, w.compose("metadata/COMPOSE_ID"), fmt.Sprint("Rocky-9.7-", round))
	os.Remove(w.compose("isos/x86_64/Rocky-9-latest-x86_64-boot.iso"))
	if err := os.Symlink("Rocky-9.7-x86_64-boot.iso", w.compose("isos/x86_64/Rocky-9-latest-x86_64-boot.iso")); err != nil {
		w.t.Fatal(err)
	}
	os.Remove(w.compose("metadata/README"))
	if err := os.Link(w.compose("metadata/COMPOSE_ID"), w.compose("metadata/README")); err != nil {
		w.t.Fatal(err)
	}
}
