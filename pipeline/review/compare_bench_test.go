package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"gantry/pipeline"
	"gantry/pipeline/repodata"
)

// synthetic is a repository of so many packages, of which every tenth is of
// another version where next is set. Its documents are as large as those of a
// distribution: about 3 KiB and ten entries of a changelog for each package.
func synthetic(b *testing.B, packages int, next bool) repodata.Files {
	b.Helper()
	var primary, other strings.Builder
	fmt.Fprintf(&primary, "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"%d\">\n", packages)
	fmt.Fprintf(&other, "<otherdata xmlns=\"http://linux.duke.edu/metadata/other\" packages=\"%d\">\n", packages)
	requires := strings.Repeat(`<rpm:entry name="libsomething.so.6(GLIBC_2.34)(64bit)" flags="EQ" epoch="0" ver="2.34" rel="1.el9"/>`+"\n", 25)
	for i := range packages {
		version := "1"
		if next && i%10 == 0 {
			version = "2"
		}
		name := fmt.Sprintf("package-%05d", i)
		id := hex.EncodeToString(sum([]byte(name + version)))
		fmt.Fprintf(&primary, `<package type="rpm"><name>%s</name><arch>x86_64</arch><version epoch="0" ver="%s" rel="1.el9"/><checksum type="sha256" pkgid="YES">%s</checksum>
<time file="1" build="1763985600"/><size package="100000" installed="1" archive="1"/><location href="Packages/p/%s-%s-1.el9.x86_64.rpm"/>
<format><rpm:sourcerpm>%s-%s-1.el9.src.rpm</rpm:sourcerpm><rpm:header-range start="4504" end="9000"/><rpm:requires>%s</rpm:requires></format></package>
`, name, version, id, name, version, name, version, requires)
		fmt.Fprintf(&other, "<package pkgid=\"%s\" name=\"%s\" arch=\"x86_64\"><version epoch=\"0\" ver=\"%s\" rel=\"1.el9\"/>\n", id, name, version)
		for j := range 10 {
			fmt.Fprintf(&other, "<changelog author=\"A Packager &lt;a@example.org&gt; - %s-%d\" date=\"%d\">- an entry of some length\n- and another line of it</changelog>\n", version, j, 1763985600-(10-j)*86400)
		}
		other.WriteString("</package>\n")
	}
	docs := map[string][]byte{}
	repomd := "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>9</revision>"
	for kind, text := range map[string]string{"primary": primary.String() + "</metadata>", "other": other.String() + "</otherdata>"} {
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, 1)
		io.WriteString(w, text)
		w.Close()
		docs["repodata/"+kind+".xml.gz"] = packed.Bytes()
		repomd += fmt.Sprintf(`<data type="%s"><checksum type="sha256">%x</checksum><open-checksum type="sha256">%x</open-checksum><location href="repodata/%s.xml.gz"/><size>%d</size><open-size>%d</open-size></data>`,
			kind, sum(packed.Bytes()), sum([]byte(text)), kind, packed.Len(), len(text))
	}
	docs[repodata.Path] = []byte(repomd + "</repomd>")
	return func(_ context.Context, path string) (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(docs[path])), int64(len(docs[path])), nil
	}
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// BenchmarkCompare compares repositories of which a tenth of the packages goes up.
func BenchmarkCompare(b *testing.B) {
	for _, packages := range []int{10_000, 50_000} {
		b.Run(fmt.Sprint(packages), func(b *testing.B) {
			from, to := synthetic(b, packages, false), synthetic(b, packages, true)
			runtime.GC()
			before := heap()
			var peak atomic.Uint64
			done, watched := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(watched)
				for {
					select {
					case <-done:
						return
					case <-time.After(20 * time.Millisecond):
						peak.Store(max(peak.Load(), heap()))
					}
				}
			}()
			for b.Loop() {
				var r pipeline.ReviewedRepo
				if err := compare(b.Context(), from, to, &r); err != nil || len(r.Upgraded) != packages/10 || len(r.Upgraded[0].Changelog) == 0 {
					b.Fatal(len(r.Upgraded), err)
				}
			}
			close(done)
			<-watched
			b.ReportMetric(float64(peak.Load()-before)/(1<<20), "MiB-peak")
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
