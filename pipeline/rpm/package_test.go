package rpm_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline/rpm"
)

// verdicts of rpm's own test packages as they would be staged. rpm is what
// `rpmkeys -K --nosignature` of 4.18 says: it takes what we refuse where its
// digests match but
//   - they are MD5 and SHA-1 alone, which EL9 does not install,
//   - a signature is by an algorithm of rpm 6,
//   - IMA signatures stand outside of the signature header's region, which is
//     packages that rpmsign 4.18 damages when it signs them again.
//
// Signatures of version 3 are taken: rpm wrote them until EL8, and they are
// replaced.
var verdicts = map[string]struct {
	rpm  bool
	want string // part of our error, empty for a good package
}{
	"capstest-1.0-1.noarch.rpm":                     {true, ""},
	"foo-1.0-1.noarch.rpm":                          {true, ""},
	"foo-1.0-1.src.rpm":                             {true, "no SHA-256 digest"},
	"hello-1.0-1.i386.rpm":                          {true, "no SHA-256 digest"},
	"hello-1.0-1.ppc64.rpm":                         {true, "no SHA-256 digest"},
	"hello-1.0-1.src.rpm":                           {true, ""},
	"hello-2.0-1.i686.rpm":                          {true, ""},
	"hello-2.0-1.x86_64-badima.rpm":                 {true, "outside of its region"},
	"hello-2.0-1.x86_64-corrupted.rpm":              {false, "payload does not match"},
	"hello-2.0-1.x86_64-signed-mldsa87.rpm":         {true, "not known here"},
	"hello-2.0-1.x86_64-signed-with-new-subkey.rpm": {true, ""},
	"hello-2.0-1.x86_64-signed-with-subkey.rpm":     {true, ""},
	"hello-2.0-1.x86_64-signed.rpm":                 {true, ""},
	"hello-2.0-1.x86_64-v3-signed.rpm":              {true, ""},
	"hello-2.0-1.x86_64.rpm":                        {true, ""},
	"hlinktest-1.0-1.noarch-v3sig.rpm":              {true, ""},
	"hlinktest-1.0-1.noarch.rpm":                    {true, ""},
	"imatest-1.0-1.fc34.noarch.rpm":                 {true, ""},
	"luafork-1.0-1-deprecated.noarch.rpm":           {true, ""},
	"luafork-1.0-1.noarch.rpm":                      {true, ""},
	"mwe-rpm-lua-problem-1.0.0-1.noarch.rpm":        {true, ""},
	"obsolete-foo-1.0-1.noarch.rpm":                 {true, "no SHA-256 digest"},
}

func TestVerdictsOfCorpus(t *testing.T) {
	names, err := filepath.Glob(corpus(t, "*.rpm"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d packages, %v", len(names), err)
	}
	key := newKeys(t).demo
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			v, known := verdicts[filepath.Base(name)]
			if !known {
				t.Fatal("the corpus has a package without a verdict")
			}
			takes := exec.Command(client(t, "rpmkeys"), "--dbpath", t.TempDir(), "-K", "--nosignature", name).Run() == nil
			if takes != v.rpm {
				t.Errorf("rpmkeys takes it: %v", takes)
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			facts, err := rpm.Check(bytes.NewReader(data), nil, time.Now())
			_, resigned := rpm.Resign(&bytes.Buffer{}, bytes.NewReader(data), key, config.SignHeader, time.Now())
			if v.want != "" {
				for _, err := range []error{err, resigned} {
					if err == nil || !strings.Contains(err.Error(), v.want) || config.HintOf(err) == "" {
						t.Errorf("got %v (%s), want %q", err, config.HintOf(err), v.want)
					}
				}
				return
			}
			if err != nil || resigned != nil {
				t.Fatal(err, resigned)
			}
			sum := sha256.Sum256(data)
			if facts.SHA256 != hex.EncodeToString(sum[:]) || facts.Size != int64(len(data)) || facts.BuildTime.IsZero() {
				t.Errorf("facts are %+v", facts)
			}
			if _, err := rpm.Check(bytes.NewReader(data), key.Public(), time.Now()); err == nil {
				t.Error("it passes as signed by a key it has never met")
			}
		})
	}
}

func TestChangedPackagesAreRefused(t *testing.T) {
	good := pack(t, rpmpack.RPMMetaData{})
	h, err := rpm.ReadHeader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpm.Check(bytes.NewReader(good), nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := int(h.Start); i < len(good); i++ {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := rpm.Check(bytes.NewReader(bad), nil, time.Now()); err == nil {
			t.Errorf("byte %d of %d is changed (header %d to %d)", i, len(good), h.Start, h.End)
		}
	}
	for n := range len(good) {
		if _, err := rpm.Check(bytes.NewReader(good[:n]), nil, time.Now()); err == nil {
			t.Errorf("%d of %d bytes pass", n, len(good))
		}
	}
	if _, err := rpm.Check(bytes.NewReader(append(bytes.Clone(good), 0)), nil, time.Now()); err == nil {
		t.Error("one byte more passes")
	}
}

func FuzzCheck(f *testing.F) {
	key := newKeys(f).demo
	plain := pack(f, rpmpack.RPMMetaData{Compressor: "gzip"})
	var signed bytes.Buffer
	about, err := rpm.Resign(&signed, bytes.NewReader(plain), key, config.SignBoth, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(signed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := rpm.Check(bytes.NewReader(data), nil, time.Now())
		if err == nil && facts.Size != int64(len(data)) {
			t.Errorf("%d bytes are said to be %d", len(data), facts.Size)
		}
		facts, err = rpm.Check(bytes.NewReader(data), key.Public(), time.Now())
		if err == nil && !bytes.Equal(data[facts.Header.Start:], signed.Bytes()[about.HeaderStart:]) {
			t.Error("another package passes as signed")
		}
	})
}
