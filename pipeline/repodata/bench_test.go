package repodata_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"gantry/pipeline/repodata"
)

// many is primary.xml of so many packages, each as large as those of a
// distribution are.
func many(n int) []byte {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("package-%05d", i)
	}
	entry := `      <rpm:entry name="libsomething.so.6(GLIBC_2.34)(64bit)" flags="EQ" epoch="0" ver="2.34" rel="1.el9"/>` + "\n"
	return bytes.ReplaceAll(text("primary", names), []byte("    <rpm:requires>\n"), append([]byte("    <rpm:requires>\n"), bytes.Repeat([]byte(entry), 25)...))
}

func BenchmarkReadPrimary(b *testing.B) {
	plain := many(10_000)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := repodata.ReadPrimary(bytes.NewReader(plain), func(repodata.PackageRef) error { n++; return nil })
		if err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkUnpackXZ(b *testing.B) {
	plain := many(2_000)
	packed := pack(b, ".xz", plain)
	d := described("primary", "repodata/primary.xml.xz", packed, plain)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if err := d.Read(bytes.NewReader(packed), func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err != nil {
			b.Fatal(err)
		}
	}
}
