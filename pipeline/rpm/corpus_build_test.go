package rpm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/config"
)

// Packages that rpm itself tests with: what is damaged, badly signed or not for
// clients of the target never reaches a snapshot.
func TestCorpusInABuild(t *testing.T) {
	refused := map[string]string{
		"hello-2.0-1.x86_64-badima.rpm":         "cannot be released: the package is damaged",
		"hello-2.0-1.x86_64-corrupted.rpm":      "payload does not match",
		"hello-2.0-1.x86_64-signed-mldsa87.rpm": "its signature",
		"hello-2.0-1.i686.rpm":                  "is built for i686, and core-el9 serves x86_64 and noarch",
		"hello-1.0-1.i386.rpm":                  "is built for i386",
		"hello-1.0-1.ppc64.rpm":                 "is built for ppc64",
		"hello-1.0-1.src.rpm":                   "is a source package",
		"foo-1.0-1.src.rpm":                     "is a source package",
		"obsolete-foo-1.0-1.noarch.rpm":         "no SHA-256 digest of header and payload",
	}
	all, err := filepath.Glob(corpus(t, "*.rpm"))
	if err != nil || len(all) < len(refused) {
		t.Fatal(all, err)
	}
	for _, path := range all {
		file := filepath.Base(path)
		want := refused[file]
		delete(refused, file)
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := newShop(t, ", policy: replace")
			s.stageFile(file, b)
			_, _, err = s.try("build")
			if want == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.do("stage")
				s.do("promote")
				s.do("verify")
				return
			}
			if err == nil || !strings.Contains(err.Error(), want) || config.HintOf(err) == "" {
				t.Errorf("it says %v (%s), want %q", err, config.HintOf(err), want)
			}
		})
	}
	for file := range refused {
		t.Errorf("%s is not there", file)
	}
}
