package forge_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline/forge"
	"gantry/pipeline/forge/forgetest"
)

// setup is a configuration with one forge.
func setup(t *testing.T, lines string) (*config.Release, *config.Forge) {
	t.Helper()
	t.Setenv("GANTRY_TEST_TOKEN", forgetest.Token)
	file := filepath.Join(t.TempDir(), "release.yaml")
	text := "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n" +
		"keys: [{name: k, private: \"env:K\", public: k}]\nforges:\n  - {name: f, repository: acme/packages, token: \"env:GANTRY_TEST_TOKEN\", " + lines + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, &cfg.Forges[0]
}

func open(t *testing.T, s *forgetest.Server) *forge.Client {
	t.Helper()
	kind := "github"
	if s.Kind != "github" {
		kind = "forgejo"
	}
	cfg, f := setup(t, "kind: "+kind+", api: \""+s.URL+"\"")
	c, err := forge.Open(cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSecretNames(t *testing.T) {
	many := make([]string, 120)
	for i := range many {
		many[i] = fmt.Sprintf("S%03d", i)
	}
	for name, tc := range map[string]struct {
		kind, own, org string // separated by spaces
		per            int
		status         int // of the organisation's list
		want           string
		err            string
	}{
		"github":             {kind: "github", own: "HOST GPG_KEY_ID", org: "HOST SHARED", want: "GPG_KEY_ID HOST SHARED"},
		"github of a person": {kind: "github", own: "HOST", want: "HOST"},
		"github, paged":      {kind: "github", own: strings.Join(many, " "), want: strings.Join(many, " ")},
		"gitea":              {kind: "gitea", own: "HOST", org: "SHARED", want: "HOST SHARED"},
		"forgejo, paged":     {kind: "forgejo", own: strings.Join(many, " "), per: 30, want: strings.Join(many, " ")},
		"forgejo, not owner": {kind: "forgejo", own: "HOST", org: "SHARED", status: 403, want: "HOST"},
		"github, not owner":  {kind: "github", own: "HOST", org: "SHARED", status: 403, err: "403"},
		"none":               {kind: "github", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := forgetest.New(t, tc.kind)
			s.Secrets = strings.Fields(tc.own)
			if tc.org != "" {
				s.Org = strings.Fields(tc.org)
			}
			if tc.per > 0 {
				s.PerPage = tc.per
			}
			s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				if tc.status == 0 || !strings.Contains(r.URL.Path, "org") {
					return false
				}
				w.WriteHeader(tc.status)
				return true
			}
			kind := "github"
			if tc.kind != "github" {
				kind = "forgejo"
			}
			cfg, f := setup(t, "kind: "+kind+", api: \""+s.URL+"\"")
			got, err := forge.SecretNames(t.Context(), cfg, f)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if diff := cmp.Diff(strings.Fields(tc.want), append([]string{}, got...)); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for lines, want := range map[string]string{
		`api: "http://forge.example.org/api/v1"`:     "could be read by anyone",
		`api: "https://u:p@forge.example.org/api"`:   "not a URL",
		`api: "ftp://forge.example.org"`:             "not a URL",
		`kind: forgejo`:                              "no api",
		`api: "https://x.org", repository: acme/..`:  "not a repository",
		`api: "https://x.org", repository: "a/b/c"`:  "not a repository",
		`api: "https://x.org", repository: "a/b?c"`:  "not a repository",
		`api: "https://x.org", token: "env:MISSING"`: "no MISSING",
		`api: "https://x.org", token: "env:SHORT"`:   "holds no token",
		`api: "https://x.org", token: "env:LINES"`:   "holds no token",
	} {
		t.Run(lines, func(t *testing.T) {
			t.Setenv("SHORT", "abc")
			t.Setenv("LINES", "0123456789\r\nX-Evil: yes")
			f := config.Forge{Name: "f", Repository: "acme/packages"}
			token := "env:GANTRY_TEST_TOKEN"
			for part := range strings.SplitSeq(lines, ", ") {
				key, value, _ := strings.Cut(part, ": ")
				switch value = strings.Trim(value, `"`); key {
				case "api":
					f.API = value
				case "kind":
					f.Kind = config.ForgeKind(value)
				case "repository":
					f.Repository = value
				case "token":
					token = value
				}
			}
			t.Setenv("GANTRY_TEST_TOKEN", forgetest.Token)
			if err := f.Token.UnmarshalText([]byte(token)); err != nil {
				t.Fatal(err)
			}
			_, err := forge.Open(&config.Release{}, &f)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// Each row is an answer to a question about a commit.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  func(w http.ResponseWriter)
		want    string
		hint    string
		passing bool
		after   time.Duration
	}{
		"401": {answer: status(401, `{"message":"Bad credentials"}`), want: "401 Unauthorized: Bad credentials", hint: "token is wrong"},
		"403": {answer: status(403, `{"message":"Resource not accessible"}`), want: "not accessible", hint: "Actions (read and write)"},
		"404": {answer: status(404, `{"message":"Not Found"}`), want: "no branch or tag main", hint: "check repository and ref"},
		"422": {answer: status(422, `{"message":"No commit found"}`), want: "no branch or tag main"},
		"429": {answer: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}, want: "429", passing: true, after: 7 * time.Second, hint: "asked too often"},
		"secondary limit": {answer: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			status(403, `{"message":"You have exceeded a secondary rate limit"}`)(w)
		}, want: "secondary", passing: true, after: time.Minute},
		"rate limit": {answer: func(w http.ResponseWriter) {
			w.Header().Set("Date", "Mon, 01 Jun 2026 12:00:00 GMT")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Date(2026, 6, 1, 12, 5, 0, 0, time.UTC).Unix()))
			w.WriteHeader(403)
		}, want: "403", passing: true, after: 5 * time.Minute},
		"forever": {answer: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "99999999")
			w.WriteHeader(503)
		}, want: "503", passing: true, after: time.Hour},
		"500":            {answer: status(500, "<html>oops</html>"), want: "500 Internal Server Error", passing: true},
		"501":            {answer: status(501, ""), want: "501"},
		"huge":           {answer: func(w http.ResponseWriter) { fmt.Fprintf(w, `{"sha":"%s"}`, strings.Repeat("a", 9<<20)) }, want: "more than 8 MiB"},
		"no JSON":        {answer: status(200, "<html>"), want: "not what the API documents"},
		"no commit":      {answer: status(200, `{"sha":"main; rm -rf /"}`), want: "is no commit"},
		"empty":          {answer: status(200, `{}`), want: "is no commit"},
		"escapes":        {answer: status(418, "{\"message\":\"\\u001b[2Jgone\\u202e\"}"), want: `\x1b[2Jgone\u202e`},
		"its own token":  {answer: status(418, `{"message":"bad `+forgetest.Token+`"}`), want: "bad ***"},
		"hangs up":       {answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, want: "no answer", passing: true},
		"to http":        {answer: redirect("http://127.0.0.1:1/x"), want: "refused", passing: true},
		"to a file":      {answer: redirect("file:///etc/passwd"), want: "other than https"},
		"to credentials": {answer: redirect("http://u:p@127.0.0.1:1/"), want: "with credentials"},
		"to nowhere":     {answer: redirect("http://%zz"), want: "no URL", passing: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := forgetest.New(t, "github")
			s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
				tc.answer(w)
				return true
			}
			_, err := open(t, s).Head(t.Context(), "main")
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(config.HintOf(err), tc.hint) {
				t.Fatalf("got %.500v, hint %s", err, config.HintOf(err))
			}
			if strings.Contains(err.Error(), forgetest.Token) || strings.Contains(err.Error(), "127.0.0.1:1/") {
				t.Errorf("it shows too much: %v", err)
			}
			if after, passing := forge.Passing(err); passing != tc.passing || after != tc.after {
				t.Errorf("passing %v, after %v", passing, after)
			}
		})
	}
}

func status(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func redirect(to string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Location", to)
		w.WriteHeader(302)
	}
}

// The token stays with the server that the operator wrote, whatever that one
// says; a loop of redirects ends.
func TestTokenStays(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token was sent to another port")
		}
		fmt.Fprintf(w, `{"sha":"%s"}`, forgetest.Head)
	}))
	defer other.Close()
	s := forgetest.New(t, "github")
	s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
		redirect(other.URL)(w)
		return true
	}
	if sha, err := open(t, s).Head(t.Context(), "main"); err != nil || sha != forgetest.Head {
		t.Errorf("%s %v", sha, err)
	}
	s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		redirect(r.URL.Path)(w)
		return true
	}
	if _, err := open(t, s).Head(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("got %v", err)
	}
	if _, err := open(t, s).Dispatch(t.Context(), "x.yml", "main", nil); err == nil || errors.Is(err, forge.ErrUnsure) {
		t.Errorf("a dispatch that was redirected: %v", err)
	}
}

func TestFile(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"symlink": {`{"type":"symlink","target":"/etc/passwd"}`, "it is a symlink"},
		"list":    {`[{"type":"file"}]`, "not what the API documents"},
		"large":   {`{"type":"file","encoding":"none","content":""}`, "in none"},
		"huge":    {`{"type":"file","encoding":"base64","content":"` + strings.Repeat("QUFB", 200<<10) + `"}`, "more than 256 KiB"},
		"broken":  {`{"type":"file","encoding":"base64","content":"!!"}`, "not what the API documents"},
		"wrapped": {`{"type":"file","encoding":"base64","content":"aGVs\nbG8=\n"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := forgetest.New(t, "github")
			s.Answer = func(w http.ResponseWriter, _ *http.Request) bool {
				fmt.Fprint(w, tc.body)
				return true
			}
			b, err := open(t, s).File(t.Context(), ".github/workflows/x.yml", forgetest.Head)
			if tc.want == "" && (err != nil || string(b) != "hello") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%q %v", b, err)
			}
		})
	}
	s := forgetest.New(t, "github")
	if _, err := open(t, s).File(t.Context(), "absent", forgetest.Head); !errors.Is(err, forge.ErrNoFile) {
		t.Errorf("got %v", err)
	}
}

// Every kind of server tells of runs in its own words; they mean the same.
func TestRunsOfEachKind(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		t.Run(kind, func(t *testing.T) {
			s := forgetest.New(t, kind)
			s.PerPage = 2
			at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
			for i := range 5 {
				s.Add(forgetest.Run{
					Repository: "acme/packages", File: "promote.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head,
					Actor: "neil", Status: "completed", Conclusion: "failure", Created: at.Add(time.Duration(i) * time.Minute), Title: "\x1b[31mred",
					Jobs: []forgetest.Job{{ID: int64(i + 1), Name: "a", Status: "in_progress"}},
				})
			}
			s.Add(forgetest.Run{File: "other.yml", Event: "workflow_dispatch"})
			s.Add(forgetest.Run{File: "promote.yml", Event: "push"})
			c := open(t, s)
			runs, err := c.Dispatched(t.Context(), "promote.yml", func(forge.Run) bool { return false })
			if err != nil || len(runs) != 5 {
				t.Fatalf("%d runs, %v", len(runs), err)
			}
			r, err := c.Run(t.Context(), runs[0].ID)
			if err != nil || !r.Over || r.Conclusion != "failure" || r.SHA != forgetest.Head || r.Ref != "main" || r.Actor != "neil" ||
				r.Event != "workflow_dispatch" || !strings.HasSuffix(r.Workflow, "promote.yml") || r.Title != `\x1b[31mred` || !r.Created.Equal(at.Add(4*time.Minute)) {
				t.Errorf("%+v %v", r, err)
			}
			jobs, err := c.Jobs(t.Context(), r.ID)
			if err != nil || len(jobs) != 1 || jobs[0].Over || jobs[0].Name != "a" {
				t.Errorf("%+v %v", jobs, err)
			}
			if _, err := c.Run(t.Context(), r.ID); err != nil || s.Unchanged() != 1 {
				t.Errorf("%v, %d answers were saved", err, s.Unchanged())
			}
			if err := c.Cancel(t.Context(), r.ID); err != nil {
				t.Errorf("cancel of what is over: %v", err)
			}
		})
	}
}

func TestForeignJobsAndRuns(t *testing.T) {
	s := forgetest.New(t, "github")
	s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/jobs") {
			fmt.Fprint(w, `{"total_count":1,"jobs":[{"id":1,"run_id":9}]}`)
		} else {
			fmt.Fprint(w, `{"id":9}`)
		}
		return true
	}
	c := open(t, s)
	if _, err := c.Jobs(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "of run 9") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Run(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "about run 9") {
		t.Errorf("got %v", err)
	}
	s.Answer = func(w http.ResponseWriter, _ *http.Request) bool { // an endless list
		fmt.Fprint(w, `{"total_count":1000000,"jobs":[{"id":1}]}`)
		return true
	}
	if _, err := c.Jobs(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "pages") {
		t.Errorf("got %v", err)
	}
}

func TestLog(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		t.Run(kind, func(t *testing.T) {
			s := forgetest.New(t, kind)
			log := "\ufeff2026-06-01T12:00:00Z \x1b[32mok\x1b[0m\r\n\x1b]0;title\x07\nkey " + forgetest.Token + "\n" +
				strings.Repeat("x", 9000) + "\n" + strings.Repeat("y\n", 200_000) + strings.Repeat("z", 5<<20)
			s.Add(forgetest.Run{ID: 1, Jobs: []forgetest.Job{{ID: 7, Log: log}}})
			lines, cut, err := open(t, s).Log(t.Context(), 7)
			if err != nil || !cut || len(lines) < 4 {
				t.Fatalf("%d lines, %v, %v", len(lines), cut, err)
			}
			if diff := cmp.Diff([]string{"2026-06-01T12:00:00Z ok", `\x1b]0;title\x07`, "key ***"}, lines[:3]); diff != "" || len(lines[3]) > 5000 {
				t.Error(diff)
			}
		})
	}
}
