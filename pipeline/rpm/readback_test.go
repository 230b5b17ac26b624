package rpm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/rpm"
)

// small is metadata of three packages, and its documents.
func small(t testing.TB, c config.Compression) (r *rpm.Repodata, docs [3][]byte) {
	t.Helper()
	var b [3]bytes.Buffer
	r, err := rpm.WriteRepodata(context.Background(), [3]io.Writer{&b[0], &b[1], &b[2]}, pool()[0][:3], rpm.RepodataOptions{Compression: c, Revision: 1780000000})
	if err != nil {
		t.Fatal(err)
	}
	return r, [3][]byte{b[0].Bytes(), b[1].Bytes(), b[2].Bytes()}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	for _, c := range []config.Compression{config.Gzip, config.Zstd} {
		r, docs := small(t, c)
		got, err := repodata.ReadRepomd(bytes.NewReader(r.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&r.Repomd, got); diff != "" {
			t.Errorf("%s: repomd.xml (-written +read):\n%s", c, diff)
		}
		var hrefs []string
		err = got.Primary.Read(bytes.NewReader(docs[0]), func(x io.Reader) error {
			return repodata.ReadPrimary(x, func(p repodata.PackageRef) error {
				hrefs = append(hrefs, p.Href)
				want := pool()[0][len(hrefs)-1]
				if p.Href != want.Path || p.SHA256 != want.SHA256 || p.Size != want.Size || p.Name != want.Name || p.EVR() != want.Version || p.Arch != want.Arch {
					t.Errorf("read %+v, wrote %+v", p, want.File)
				}
				return nil
			})
		})
		if err != nil || len(hrefs) != 3 {
			t.Errorf("%s: %d packages, %v", c, len(hrefs), err)
		}
		for i, d := range []repodata.Document{got.Filelists, got.Other} {
			if err := d.Read(bytes.NewReader(docs[i+1]), nil); err != nil {
				t.Errorf("%s: %v", c, err)
			}
		}
		stop := errors.New("stop")
		err = got.Primary.Read(bytes.NewReader(docs[0]), func(x io.Reader) error {
			return repodata.ReadPrimary(x, func(repodata.PackageRef) error { return stop })
		})
		if !errors.Is(err, stop) {
			t.Errorf("a reader that stops: %v", err)
		}
	}
}
