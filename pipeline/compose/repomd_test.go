package compose_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/pipeline/compose"
)

const (
	head = "<?xml version=\"1.0\"?>\n<repomd>\n <data type=\"x\">\n"
	tail = " </data>\n</repomd>\n"
)

func TestOpenSize(t *testing.T) {
	for name, tc := range map[string]struct {
		in, out string // between head and tail
		n       int
	}{
		"none":               {"  <open-size>12</open-size>\n", "  <open-size>12</open-size>\n", 0},
		"empty":              {"  <size>1</size>\n  <open-size></open-size>\n  <x/>\n", "  <size>1</size>\n  <x/>\n", 1},
		"empty, short":       {"  <open-size/>\n", "", 1},
		"two":                {"<open-size></open-size>\n<open-size></open-size>\n", "", 2},
		"two on a line":      {"  <open-size></open-size><open-size></open-size>\n", "", 2},
		"no line of its own": {"  <size>1</size><open-size></open-size>\n", "  <size>1</size>\n", 1},
		"before another":     {"  <open-size></open-size><x>1</x>\n", "  <x>1</x>\n", 1},
		"space in it":        {"  <open-size> </open-size>\n", "  <open-size> </open-size>\n", 0},
		"a comment in it":    {"<open-size><!-- --></open-size>\n", "<open-size><!-- --></open-size>\n", 0},
		"in a comment":       {"<!-- <open-size></open-size> -->\n", "<!-- <open-size></open-size> -->\n", 0},
		"in text":            {"<![CDATA[<open-size></open-size>]]>\n", "<![CDATA[<open-size></open-size>]]>\n", 0},
		"deeper":             {"<open-size><open-size></open-size></open-size>\n", "<open-size><open-size></open-size></open-size>\n", 0},
		"windows lines":      {" <open-size></open-size>\r\n <x/>\r\n", " <x/>\r\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, n, err := compose.FixOpenSize([]byte(head + tc.in + tail))
			if err != nil || string(got) != head+tc.out+tail || n != tc.n {
				t.Errorf("got %q, %d, %v", got, n, err)
			}
		})
	}
	// All on one line: what works by lines would take all of it away.
	one := strings.ReplaceAll(head+"<open-size></open-size>"+tail, "\n", "")
	if got, _, err := compose.FixOpenSize([]byte(one)); err != nil || string(got) != strings.Replace(one, "<open-size></open-size>", "", 1) {
		t.Errorf("got %q, %v", got, err)
	}
}

// On what createrepo writes it does what sed does in the scripts, byte for byte.
func TestOpenSizeAsSedDoes(t *testing.T) {
	need(t, "sed", "createrepo_c", "modifyrepo_c")
	w := newWorld(t)
	w.mkdir("repo")
	w.write("comps.xml", "<comps/>")
	w.command("createrepo_c", "--general-compress-type=xz", "-g", w.path("comps.xml"), w.path("repo"))
	at := "repo/repodata/repomd.xml"
	text := w.read(at)
	harmed := strings.ReplaceAll(text, "    <size>", "    <open-size></open-size>\n    <size>")
	if harmed == text {
		t.Fatalf("createrepo_c writes another form: %s", text)
	}
	w.write(at, harmed)
	ours, n, err := compose.FixOpenSize([]byte(harmed))
	w.command("sed", "-i", `/<open-size><\/open-size>/d`, w.path(at))
	if err != nil || n == 0 || string(ours) != w.read(at) {
		t.Errorf("%d taken out, %v, ours:\n%s\nsed's:\n%s", n, err, ours, w.read(at))
	}
}

func TestRepomdThatIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"no XML":          "repomd",
		"another root":    "<metalink>" + head[22:] + tail + "</metalink>",
		"two roots":       "<repomd/>" + head[22:] + tail,
		"cut short":       head,
		"no document":     "<repomd/>",
		"an entity":       head + "&evil;" + tail,
		"too deep":        head + strings.Repeat("<x>", 20) + strings.Repeat("</x>", 20) + tail,
		"too many":        "<repomd>" + strings.Repeat("<data/>", 2000) + "</repomd>",
		"too many empty":  head + strings.Repeat("<open-size/>", 2000) + tail,
		"too large":       head + strings.Repeat(" ", 1<<20) + tail,
		"no size":         head + "<size>many</size>" + tail,
		"less than none":  head + "<size>-1</size>" + tail,
		"another charset": strings.Replace(head, "?>", " encoding=\"EBCDIC\"?>", 1) + tail,
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, err := compose.FixOpenSize([]byte(text)); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Whatever the bytes: only empty open-size elements and the lines that they leave
// blank go, nothing is left to do a second time, and it stays the XML it was.
func FuzzOpenSize(f *testing.F) {
	f.Add([]byte(head + "<open-size></open-size>" + tail))
	f.Add([]byte(head + "<open-size><open-size/></open-size><!-- <open-size/> -->" + tail))
	f.Add([]byte(head + "\xff<open-size\n/ >" + tail))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, n, err := compose.FixOpenSize(data)
		if err != nil {
			return
		}
		if n == 0 && !bytes.Equal(once, data) {
			t.Fatalf("nothing was empty, and %q became %q", data, once)
		}
		twice, n, err := compose.FixOpenSize(once)
		if err != nil || n != 0 || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, then %q (%d), %v", data, once, twice, n, err)
		}
		if a, b := tokens(t, data), tokens(t, once); a != b {
			t.Fatalf("%q became %q:\n%s\n%s", data, once, a, b)
		}
	})
}

// tokens are the elements of XML but open-size, and its text but space.
func tokens(t *testing.T, data []byte) string {
	var b strings.Builder
	for dec := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := dec.Token()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local != "open-size" {
				b.WriteString("<" + e.Name.Local + ">")
			}
		case xml.CharData:
			b.WriteString(strings.Join(strings.Fields(string(e)), ""))
		case xml.Comment:
			b.WriteString("#" + string(e))
		}
	}
}

// dnf takes what was signed, with its signature wanted, and refuses it when it is
// changed after that.
func TestDnfTakesWhatIsSigned(t *testing.T) {
	need(t, "dnf", "createrepo_c", "modifyrepo_c")
	w := newWorld(t)
	at := staged + "BaseOS/x86_64/os"
	w.mkdir(at + "/Packages")
	w.write("modules.yaml", "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: x\n  stream: \"1\"\n...\n")
	w.command("createrepo_c", w.path(at))
	w.command("modifyrepo_c", "--mdtype=modules", w.path("modules.yaml"), w.path(at+"/repodata"))
	repomd := at + "/repodata/repomd.xml"
	w.write(repomd, strings.Replace(w.read(repomd), "    <size>", "    <open-size></open-size>\n    <size>", 1))
	w.run(w.step("compose.sign", nil))
	dnf := func() (string, error) {
		cache, err := os.MkdirTemp(w.dir, "cache")
		w.must(err)
		w.write("dnf.conf", "[main]\nreposdir=/nonexistent\ncachedir="+cache+"\nlogdir="+cache+"\npersistdir="+cache+"\n"+
			"[r]\nname=r\nbaseurl=file://"+w.path(at)+"\nrepo_gpgcheck=1\ngpgcheck=1\ngpgkey=file://"+w.path("k.asc")+"\nskip_if_unavailable=0\n")
		return w.try("dnf", "-y", "-c", w.path("dnf.conf"), "--installroot", filepath.Join(w.dir, "root"), "--releasever=9", "makecache")
	}
	if out, err := dnf(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	w.write(repomd, strings.Replace(w.read(repomd), "<revision>", "<revision>1", 1))
	if out, err := dnf(); err == nil {
		t.Errorf("dnf takes what was changed after it was signed:\n%s", out)
	}
}
