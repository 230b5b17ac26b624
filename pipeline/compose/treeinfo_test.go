package compose_test

import (
	"bytes"
	"strings"
	"testing"

	"gantry/pipeline/compose"
)

func TestTreeinfo(t *testing.T) {
	is, err := compose.NameApplications([]byte(info), "x86_64", "kickstart")
	want := strings.Replace(info, "variants = BaseOS\n", "variants = BaseOS,AppStream\n", 1) + `
[variant-AppStream]
id = AppStream
name = AppStream
packages = ../../../AppStream/x86_64/kickstart/Packages
repository = ../../../AppStream/x86_64/kickstart/
type = variant
uid = AppStream
`
	if err != nil || string(is) != want {
		t.Fatalf("%v, got:\n%s", err, is)
	}
	// From one kind to another, only the paths change; comments and order stay.
	text := "# by hand\n" + strings.Replace(want, "id = AppStream", "; here\nID: AppStream", 1)
	is, err = compose.NameApplications([]byte(text), "x86_64", "os")
	if err != nil || string(is) != strings.ReplaceAll(text, "x86_64/kickstart", "x86_64/os") {
		t.Fatalf("%v, got:\n%s", err, is)
	}
	// So does a comment that is behind space, which ends no value.
	text = strings.Replace(string(is), "variants = BaseOS,AppStream\n", "variants = BaseOS\n  # none yet = soon\n", 1)
	is, err = compose.NameApplications([]byte(text), "x86_64", "os")
	if err != nil || string(is) != strings.Replace(text, "variants = BaseOS\n", "variants = BaseOS,AppStream\n", 1) {
		t.Fatalf("%v, got:\n%s", err, is)
	}
	// A value that goes on over lines is replaced whole.
	is, err = compose.NameApplications([]byte("[tree]\narch = x86_64\nvariants = BaseOS,\n\tMinimal\nx = y\n"), "x86_64", "os")
	if err != nil || !strings.HasPrefix(string(is), "[tree]\narch = x86_64\nvariants = BaseOS,AppStream\nx = y\n\n[variant-AppStream]\n") {
		t.Fatalf("%v, got:\n%s", err, is)
	}
}

// The parser that installers' tools use reads what was written.
func TestTreeinfoForPython(t *testing.T) {
	need(t, "python3")
	w := newWorld(t)
	is, err := compose.NameApplications([]byte(info), "x86_64", "os")
	w.must(err)
	w.write("treeinfo", string(is))
	got := w.command("python3", "-c", `
import configparser, sys
c = configparser.ConfigParser()
c.read(sys.argv[1])
print(c.get("tree", "variants"), c.get("tree", "platforms"), c.get("variant-AppStream", "repository"), c.get("variant-AppStream", "packages"), len(c.sections()))
`, w.path("treeinfo"))
	if want := "BaseOS,AppStream x86_64,xen ../../../AppStream/x86_64/os/ ../../../AppStream/x86_64/os/Packages 5\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestTreeinfoThatIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"no tree":         "[general]\narch = x86_64\n",
		"no architecture": "[tree]\nx = y\n",
		"another one":     "[tree]\narch = s390x\n",
		"two lines of it": "[tree]\narch = x86_64\n s390x\n",
		"two sections":    "[tree]\narch = x86_64\n[tree]\n",
		"two keys":        "[tree]\narch = x86_64\nArch: x86_64\n",
		"no section":      "arch = x86_64\n[tree]\n",
		"no end":          "[tree\narch = x86_64\n",
		"no value":        "[tree]\narch\n",
		"goes on":         "[tree]\n arch = x86_64\n",
		"nul":             "[tree]\narch = x86_64\x00\n",
		"no text":         "[tree]\narch = x86_64\n\xff = x\n",
		"a return":        "[tree]\rarch = x86_64\n",
		"too large":       "[tree]\narch = x86_64\n" + strings.Repeat("#\n", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if is, err := compose.NameApplications([]byte(text), "x86_64", "os"); err == nil {
				t.Errorf("got %q", is)
			}
		})
	}
}

// Whatever is taken, what comes out is taken too and stays as it is, and every
// line that was there and is not of these keys still is.
func FuzzTreeinfo(f *testing.F) {
	f.Add([]byte(info))
	f.Add([]byte("[tree]\narch: x86_64\nvariants =\n a\n\n b\n#\n;[variant-AppStream]\n[variant-AppStream]\n\n\n[x]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := compose.NameApplications(data, "x86_64", "os")
		if err != nil {
			return
		}
		twice, err := compose.NameApplications(once, "x86_64", "os")
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, then %q, %v", data, once, twice, err)
		}
		kept := map[string]bool{}
		for line := range strings.Lines(string(once)) {
			kept[strings.TrimSuffix(line, "\n")] = true
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "[") && !kept[line] {
				t.Fatalf("%q lost %q: %q", data, line, once)
			}
		}
		if bytes.Count(once, []byte("variants = BaseOS,AppStream")) == 0 && !bytes.Contains(once, []byte("BaseOS,AppStream")) {
			t.Fatalf("%q became %q", data, once)
		}
	})
}
