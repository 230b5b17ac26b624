package filelist_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/filelist"
)

const list = "[Version]\n2\n\n[Files]\n1767700953\tf\t282\t9.7/media.repo\n1366880149\td-\t4096\t9.7\n\n[Checksums SHA1]\nda39a3ee\t9.7/repomd.xml\n\n[End]\n"

func TestParse(t *testing.T) {
	var got []filelist.Entry
	n, err := filelist.Parse(strings.NewReader(list), func(e filelist.Entry) error { got = append(got, e); return nil })
	want := []filelist.Entry{{1767700953, "f", 282, "9.7/media.repo"}, {1366880149, "d-", 4096, "9.7"}}
	if diff := cmp.Diff(want, got); err != nil || n != 2 || diff != "" {
		t.Errorf("%d, %v:\n%s", n, err, diff)
	}
	newer := strings.Replace(list, "[End]", "[Checksums MD5]\n\n[Checksums SHA256]\n\n[End]", 1)
	if n, err := filelist.Parse(strings.NewReader(newer), nil); n != 2 || err != nil {
		t.Errorf("a newer generator: %d, %v", n, err)
	}
	stop := errors.New("enough")
	if _, err := filelist.Parse(strings.NewReader(list), func(filelist.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("visit is not heard: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"no end":         strings.TrimSuffix(list, "[End]\n"),
		"cut off":        list[:60],
		"end cut off":    strings.TrimSuffix(list, "\n"),
		"another":        strings.Replace(list, "\n2\n", "\n3\n", 1),
		"no version":     strings.TrimPrefix(list, "[Version]\n2\n\n"),
		"type":           strings.Replace(list, "\tf\t", "\tx\t", 1),
		"suffix":         strings.Replace(list, "\td-\t", "\td+\t", 1),
		"time":           strings.Replace(list, "1767700953", "17677e0953", 1),
		"huge":           strings.Replace(list, "282", strings.Repeat("9", 30), 1),
		"tab in path":    strings.Replace(list, "media.repo", "media\trepo", 1),
		"break in path":  strings.Replace(list, "media.repo", "media\nrepo", 1),
		"no path":        strings.Replace(list, "9.7/media.repo", "", 1),
		"absolute":       strings.Replace(list, "9.7/media.repo", "/etc/passwd", 1),
		"long":           strings.Replace(list, "media", strings.Repeat("m", 9000), 1),
		"longer":         strings.Replace(list, "media", strings.Repeat("m", 900000), 1),
		"checksum":       strings.Replace(list, "da39a3ee\t", "da39a3ee ", 1),
		"after the end":  list + "more\n",
		"strange":        "hello\n" + list,
		"begins anew":    list + "\n[Files]\n",
		"second version": strings.Replace(list, "\n2\n", "\n2\n2\n", 1),
	} {
		if n, err := filelist.Parse(strings.NewReader(text), nil); err == nil {
			t.Errorf("%s: %d entries and no error", name, n)
		}
	}
}

// What is read and written again is the same.
func FuzzParse(f *testing.F) {
	f.Add(list)
	f.Add("[Version]\n2\n\n[Files]\n1\tf*\t0\ta b\n\n[End]\n")
	f.Add("[Version]\n2\n\n[Files]\n\n[Checksums SHA1]\n\n[End]\n")
	f.Fuzz(func(t *testing.T, text string) {
		var b strings.Builder
		b.WriteString("[Version]\n2\n\n[Files]\n")
		n, err := filelist.Parse(strings.NewReader(text), func(e filelist.Entry) error {
			if e.Path == "" || strings.ContainsAny(e.Path, "\t\n") || e.Time < 0 || e.Size < 0 {
				t.Errorf("an entry that cannot be: %+v", e)
			}
			fmt.Fprintf(&b, "%d\t%s\t%d\t%s\n", e.Time, e.Kind, e.Size, e.Path)
			return nil
		})
		if err != nil {
			return
		}
		b.WriteString("\n[End]\n")
		if m, err := filelist.Parse(strings.NewReader(b.String()), nil); err != nil || m != n {
			t.Errorf("%d entries came back as %d: %v", n, m, err)
		}
	})
}

// The lists are read by the rules that quick-fedora-mirror has: its end is looked
// for in the last two lines, and awk takes entries from the section of files.
func TestClientReadsLists(t *testing.T) {
	b := newBench(t)
	b.write("mirror/pub/rocky/9.7/a name with spaces", "x")
	b.must()
	const client = `
tail -2 "$1" | grep -q '^\[End\]' || exit 1
test "$(awk -F '\t' '/^\[Version/ {s=1; next} /^$/ {exit} {if (s) print $0}' <"$1")" = 2 || exit 2
awk -F '\t' '/\[Files/ {s=1;next} /^$/ {s=0;next} {if (s && NF == 4 && $2 ~ /^[fdl][*-]?$/) print $4 "\t" $3}' "$1" | sort -t '	' -k 1,1`
	cmd := exec.Command("sh", "-c", client, "client", "mirror/pub/rocky/fullfiletimelist-rocky")
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if _, missing := exec.LookPath("awk"); missing != nil && os.Getenv("GANTRY_REQUIRE_CLIENTS") != "1" {
		t.Skip("no awk")
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		path, _, _ := strings.Cut(line, "\t")
		got = append(got, path)
	}
	if diff := cmp.Diff(b.paths("mirror/pub/rocky/fullfiletimelist-rocky"), got); diff != "" {
		t.Error(diff)
	}
}
