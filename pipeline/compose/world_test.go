package compose_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/compose"
	"gantry/pipeline/sign"
)

// world is a tree of Rocky Linux 9 in its three areas.
type world struct {
	t     *testing.T
	dir   string
	tree  string // more of the target in release.yaml
	mount string // more of its staging
	more  string // more of the tree
	env   pipeline.Env
}

// signing is a key pair for all worlds: to make one takes a while.
var signing = sync.OnceValue(func() [2][]byte {
	private, public, err := sign.Generate("Test", "test@example.org", 2048, 0, time.Now().Add(-time.Hour))
	if err != nil {
		panic(err)
	}
	return [2][]byte{private, public}
})

// staged is where staging of release candidate 2 is.
const staged = "s/pub/9.7-RC2/"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), tree: "key: k"}
	w.env = pipeline.Env{Version: "9.7-RC2", Kind: "rc", Now: time.Now}
	pair := signing()
	w.write("k.key", string(pair[0]))
	w.write("k.asc", string(pair[1]))
	for _, dir := range []string{"c", staged, "p/pub/9.7"} {
		w.mkdir(dir)
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mkdir(name string) { w.t.Helper(); w.must(os.MkdirAll(w.path(name), 0o755)) }

func (w *world) write(name, text string) {
	w.t.Helper()
	w.mkdir(filepath.Dir(name))
	w.must(os.WriteFile(w.path(name), []byte(text), 0o644))
}

func (w *world) symlink(to, name string) {
	w.t.Helper()
	w.mkdir(filepath.Dir(name))
	w.must(os.Symlink(to, w.path(name)))
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.path(name))
	w.must(err)
	return string(b)
}

func (w *world) leads(name string) string {
	w.t.Helper()
	to, err := os.Readlink(w.path(name))
	w.must(err)
	return to
}

// repo makes a repository whose repomd.xml names one document; with groups, two.
func (w *world) repo(at string, groups bool) {
	w.t.Helper()
	data := fmt.Sprintf("  <data type=\"primary\">\n    <checksum type=\"sha256\">%x</checksum>\n    <location href=\"repodata/primary.xml\"/>\n    <size>%d</size>\n  </data>\n", sha256.Sum256([]byte(at)), len(at))
	w.write(at+"/repodata/primary.xml", at)
	if groups {
		data += fmt.Sprintf("  <data type=\"group\">\n    <checksum type=\"sha256\">%x</checksum>\n", sha256.Sum256([]byte("comps"))) + "    <location href=\"repodata/comps.xml\"/>\n    <size>5</size>\n    <open-size></open-size>\n  </data>\n"
		w.write(at+"/repodata/comps.xml", "comps")
	}
	w.write(at+"/repodata/repomd.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n"+data+"</repomd>\n")
	w.write(at+"/Packages/b/bash-5.rpm", "package of "+at)
}

func (w *world) make(uses string, with map[string]string) (pipeline.Step, error) {
	w.t.Helper()
	w.write("release.yaml", "product: p\nkeys: [{name: k, private: \"file:k.key\", public: k.asc}]\ntargets:\n- {name: rpm, format: rpm, component: core, series: \"1\", os: el9-x86_64, key: k}\n"+
		`- {name: rocky-9, format: tree, `+w.tree+`, tree: {major: 9, compose: {root: c, path: "{major}/latest-Rocky-{major}/compose"}, staging: {root: s, path: "pub/{revision}{suffix}"`+w.mount+`}, production: {root: p, path: "pub/{revision}"}`+w.more+`}}`+"\n")
	cfg, err := config.Load(w.path("release.yaml"))
	w.must(err)
	w.env.Config = cfg
	return compose.Make(cfg, checklist.Item{ID: "i", Uses: uses, Target: "rocky-9", With: with})
}

func (w *world) step(uses string, with map[string]string) pipeline.Step {
	w.t.Helper()
	s, err := w.make(uses, with)
	w.must(err)
	return s
}

func (w *world) plan(s pipeline.Step) pipeline.Plan {
	w.t.Helper()
	p, err := s.Plan(w.t.Context(), &w.env)
	w.must(err)
	return p
}

// run plans and runs a step, and looks whether that is what it then says of
// itself.
func (w *world) run(s pipeline.Step) (pipeline.Plan, pipeline.Evidence) {
	w.t.Helper()
	p := w.plan(s)
	ev, err := s.Run(w.t.Context(), &w.env, p, pipeline.NewProgress(nil))
	w.must(err)
	seen, err := s.(pipeline.Looker).Look(w.t.Context(), &w.env, p)
	if err != nil || !seen.Done {
		w.t.Errorf("after the run, looking finds %+v, %v", seen, err)
	}
	if is := w.inputs(s); is != p.Inputs {
		w.t.Errorf("the run leaves its item stale: it rests on %s, wanted is %s", is, p.Inputs)
	}
	return p, ev
}

func (w *world) inputs(s pipeline.Step) string {
	w.t.Helper()
	is, err := s.(pipeline.Observer).Inputs(w.t.Context(), &w.env)
	w.must(err)
	return is
}

// refused is the error of a plan, which must say these words.
func (w *world) refused(s pipeline.Step, words string) {
	w.t.Helper()
	p, err := s.Plan(w.t.Context(), &w.env)
	if err == nil || !strings.Contains(err.Error(), words) {
		w.t.Errorf("got %+v, %v, want %q", p, err, words)
	}
}

// files are all that is below a directory, as words: size, or where a link leads.
func (w *world) files(at string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	w.must(fs.WalkDir(os.DirFS(w.path(at)), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type()&fs.ModeSymlink != 0:
			all[name] = "-> " + w.leads(at+"/"+name)
		case !d.IsDir():
			all[name] = w.read(at + "/" + name)
		}
		return nil
	}))
	return all
}

// need skips a test whose foreign program is missing, or fails it where the
// machine promises to have them all.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

func (w *world) command(name string, args ...string) string {
	w.t.Helper()
	out, err := w.try(name, args...)
	if err != nil {
		w.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

func (w *world) try(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+w.dir, "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
