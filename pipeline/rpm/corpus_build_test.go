package rpm_test

import (
	"os"
	"strings"
	"testing"

	"gantry/config"
)

// Packages that rpm itself tests with: what is damaged, badly signed or not for
// clients of the target never reaches a snapshot.
func TestCorpusInABuild(t *testing.T) {
	for file, want := range map[string]string{
		"hello-2.0-1.x86_64-corrupted.rpm":          "does not match",
		"hello-2.0-1.x86_64-signed-mldsa87.rpm":     "its signature",
		"hello-1.0-1.i386.rpm":                      "is built for i386",
		"hello-1.0-1.ppc64.rpm":                     "is built for ppc64",
		"foo-1.0-1.src.rpm":                         "is a source package",
		"hello-2.0-1.x86_64.rpm":                    "",
		"hello-2.0-1.x86_64-signed.rpm":             "",
		"hello-2.0-1.x86_64-signed-with-subkey.rpm": "",
		"imatest-1.0-1.fc34.noarch.rpm":             "",
	} {
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(corpus(t, file))
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
}
