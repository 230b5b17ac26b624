package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"gantry/pipeline"
)

// What a release day looks at is at addresses of the edition, and says its
// version.
func TestHTTPOfAnEdition(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pub/9.7/9.7-20251202" {
			fmt.Fprint(w, `{"release": "9.7", "of": {9}} <b>Rocky Linux 9.7</b>`)
			return
		}
		http.NotFound(w, r)
	}))
	defer s.Close()
	for _, tc := range []struct{ version, path, contains, words string }{
		{"9.7-20251202", "/pub/{revision}/{version}", "Rocky Linux {revision}", ""},
		{"9.7-20251202", "/pub/{revision}/{version}", "{{major}}", ""}, // other braces are the page's own
		{"9.7-20251202", "/pub/{revision}/{version}", "Rocky Linux {major}.8", `do not hold "Rocky Linux 9.8"`},
		{"9.7-20251202", "/pub/{revison}/", "x", "{revison}"},
		{"9.8-beta", "/pub/{revision}{suffix}/", "x", "404"},
		{"10.2-lh", "/pub/{revision}{suffix}/", "x", "stands for nothing here"}, // no tree is of it
		{"2025.4.1", "/pub/{revision}/", "x", "stands for nothing here"},
		{"", "/pub/{version}/", "x", "stands for nothing here"},
	} {
		b := newBench(t)
		compose := func(path string) string { return `compose: {root: r, path: ` + path + `}` }
		b.targets = `{name: rocky-9, format: tree, tree: {major: 9, ` + compose("c") + `, staging: {root: s, path: s}, production: {root: p, path: p}}}` +
			"\n" + `{name: rocky-9-beta, format: tree, tree: {major: 9, stream: beta, suffix: -beta, ` + compose("beta") + `, staging: {root: s, path: b}}}`
		b.probes = fmt.Sprintf("{name: web, url: %q, contains: %q}", s.URL+tc.path, tc.contains)
		b.change = func(env *pipeline.Env) { env.Version, env.Kind = tc.version, "release-day" }
		_, err := b.run("check.http", withProbe(nil))
		wants(t, err, tc.words)
		if tc.version == "9.7-20251202" {
			_, err = b.run("check.health", nil)
			wants(t, err, tc.words)
		}
	}
}
