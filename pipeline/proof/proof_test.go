package proof_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/proof"
	"gantry/storage"
)

// world is a configuration in a directory with some files, of which all but old
// are new; the directory store is what the store r2 holds.
func world(t *testing.T) (*pipeline.Env, string, time.Time) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("release.yaml", "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\nkeys: [{name: k, private: \"env:K\", public: k}]\n")
	write("isos/x86_64/a.iso", "hello world\n")
	write("isos/aarch64/b.iso", strings.Repeat("x", 1<<20)+"late")
	write("isos/aarch64/.c.iso", "hidden")
	write("9.7/old", "old")
	write("store/9/lorax-1.tar", "hello")
	write("store/9/lorax-2.tar", "hello")
	write("[odd]", "x")
	write("empty/a.iso", "")
	write("empty/b.iso", "x")
	if err := os.Chtimes(filepath.Join(dir, "9.7/old"), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	write("9.7/later", "of a clock that is wrong")
	if err := os.Chtimes(filepath.Join(dir, "9.7/later"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	env := &pipeline.Env{Config: cfg, Area: func(_ context.Context, _, place string) (storage.Store, error) {
		return storage.OpenDir(filepath.Join(dir, strings.Replace(place, "store:r2", "store", 1)))
	}}
	return env, dir, time.Now()
}

func TestCheck(t *testing.T) {
	env, dir, _ := world(t)
	const sum = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447" // of hello world and a newline
	words := map[string]string{"arch": "x86_64", "revision": "9.7"}
	began := time.Now().Add(-time.Minute)
	for name, tc := range map[string]struct {
		proof config.Proof
		want  string // of the error; empty is none
	}{
		"a file":           {config.Proof{Files: "isos/{arch}/a.iso"}, ""},
		"an absolute path": {config.Proof{Files: dir + "/isos/x86_64/a.iso"}, ""},
		"a pattern":        {config.Proof{Files: "isos/*/*.iso", Count: 2}, ""},
		"absolute pattern": {config.Proof{Files: dir + "/isos/*/?.iso", Count: 2}, ""},
		"hidden ones":      {config.Proof{Files: "isos/*/*.iso", Count: 3}, "2 of at least 3"},
		"escaped":          {config.Proof{Files: `\[odd\]`}, ""},
		"contains":         {config.Proof{Files: "isos/x86_64/*", Contains: "world"}, ""},
		"contains word":    {config.Proof{Files: "isos/x86_64/*", Contains: "world {revision}"}, `does not hold "world 9.7"`},
		"contains late":    {config.Proof{Files: "isos/aarch64/*", Contains: "late"}, "first 1048576 bytes"},
		"digest":           {config.Proof{Files: "isos/x86_64/*", SHA256: strings.ToUpper(sum)}, ""},
		"other digest":     {config.Proof{Files: "isos/aarch64/b.iso", SHA256: sum}, "its SHA-256 is"},
		"digest of two":    {config.Proof{Files: "isos/*/*", SHA256: sum}, "2 files are there, where one"},
		"fresh":            {config.Proof{Files: "isos/x86_64/*", Fresh: true}, ""},
		"stale":            {config.Proof{Files: "{revision}/old", Fresh: true}, "before the run began"},
		"of the future":    {config.Proof{Files: "{revision}/later", Fresh: true}, "which is yet to come"},
		"old":              {config.Proof{Files: "{revision}/old"}, ""},
		"absent":           {config.Proof{Files: "isos/{arch}/b.iso"}, "no such file"},
		"absent root":      {config.Proof{Files: "/nonexistent/dir/*"}, "no such file"},
		"empty":            {config.Proof{Files: "empty/a.iso", Fresh: true}, "a.iso is empty"},
		"one of two empty": {config.Proof{Files: "empty/*.iso", Count: 2}, "a.iso is empty"},
		"a directory":      {config.Proof{Files: "isos/x86_64"}, "no such file"},
		"below a file":     {config.Proof{Files: "isos/x86_64/a.iso/*"}, "no such file"},
		"a pipe":           {config.Proof{Files: "pipe", Contains: "x"}, "no such file"},
		"a link out":       {config.Proof{Files: "out/passwd"}, "escapes"},
		"dots":             {config.Proof{Files: "isos/../../x"}, "no clean path"},
		"broken pattern":   {config.Proof{Files: "isos/[a"}, "no clean path"},
		"unknown word":     {config.Proof{Files: "isos/{what}"}, "{what}"},
		"store":            {config.Proof{Files: "store:r2/9/lorax-1.tar", Contains: "hello"}, ""},
		"store pattern":    {config.Proof{Files: "store:r2/9/lorax-*.tar", Count: 2, Fresh: true}, ""},
		"store absent":     {config.Proof{Files: "store:r2/8/lorax-*.tar"}, "no such file"},
		"store other":      {config.Proof{Files: "store:r2/*.tar"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			ev, err := proof.Check(t.Context(), env, []config.Proof{tc.proof}, words, began)
			switch {
			case tc.want == "" && (err != nil || len(ev) != 1):
				t.Errorf("%v, %v", ev, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, %v", ev, err)
			}
			if err != nil && config.Inert(err.Error()) != err.Error() {
				t.Errorf("not harmless: %q", err)
			}
		})
	}
}

// All that fails is told at once, and what holds is evidence all the same.
func TestCheckTellsAll(t *testing.T) {
	env, _, _ := world(t)
	ev, err := proof.Check(t.Context(), env, []config.Proof{{Files: "isos/x86_64/a.iso"}, {Files: "one"}, {Files: "two"}}, nil, time.Time{})
	if err == nil || !strings.Contains(err.Error(), "one proves nothing") || !strings.Contains(err.Error(), "two proves nothing") {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(ev["isos/x86_64/a.iso"], "12 bytes of 20") {
		t.Errorf("%v", ev)
	}
}

func TestCheckEnds(t *testing.T) {
	env, _, _ := world(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := proof.Check(ctx, env, []config.Proof{{Files: "isos/*/*"}}, nil, time.Time{}); err == nil {
		t.Error("it went on")
	}
}

// No pattern finds anything outside its root, nor makes the walk fail hard.
func FuzzFiles(f *testing.F) {
	for _, s := range []string{"isos/*/a.iso", "../x", "store:r2/9/*", `a\`, "[", "/etc/pass*", "out/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, files string) {
		if strings.HasPrefix(files, "/") {
			t.Skip()
		}
		env, _, began := world(t)
		ev, err := proof.Check(t.Context(), env, []config.Proof{{Files: files, Contains: "root:"}}, nil, began)
		if err == nil {
			t.Errorf("%q: %v", files, ev)
		}
	})
}
