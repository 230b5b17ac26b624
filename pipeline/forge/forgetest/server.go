// Package forgetest answers as GitHub, Gitea and Forgejo document, for tests.
package forgetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is what requests must carry.
const Token = "ghp_0123456789abcdefABCDEF"

// Head is the commit of the ref main.
const Head = "0123456789abcdef0123456789abcdef01234567"

// Step is a step of a job.
type Step struct{ Name, Status, Conclusion string }

// Job is a job of a run.
type Job struct {
	ID                       int64
	Name, Status, Conclusion string
	Steps                    []Step
	Log                      string
}

// Run is a run of a workflow.
type Run struct {
	ID                                     int64
	Repository, File, Event, Ref, SHA      string
	Actor, Title, Status, Conclusion, Page string
	Created                                time.Time
	Inputs                                 map[string]string
	Jobs                                   []Job
	Looks                                  int // how often it was read
}

// Server is a forge with one repository, acme/packages.
type Server struct {
	URL     string // of the API
	Kind    string // github, gitea or forgejo
	Secrets []string
	Org     []string // secrets of the organisation; nil: it is a person's
	PerPage int      // entries of a page at most
	Mute    bool     // a dispatch is not answered with the run's id
	App     bool     // the token is of an application

	// Answer answers a request in place of the server, if it returns true.
	Answer func(w http.ResponseWriter, r *http.Request) bool
	// Started is asked to change a run that was just dispatched; false: it is not
	// started at all.
	Started func(r *Run) bool
	// Looked is asked to move a run on each time that it is read.
	Looked func(r *Run)

	mu       sync.Mutex
	files    map[string]string
	runs     []*Run
	next     int64
	head     string
	asked    []string
	blobs    *httptest.Server
	leaked   bool
	notSaved int // answers 304
}

// New starts a server, for the time of a test.
func New(t *testing.T, kind string) *Server {
	s := &Server{Kind: kind, files: map[string]string{}, next: 100, head: Head, PerPage: 50}
	api := httptest.NewServer(http.HandlerFunc(s.serve))
	s.blobs = httptest.NewServer(http.HandlerFunc(s.blob))
	t.Cleanup(func() {
		api.Close()
		s.blobs.Close()
		if s.leaked {
			t.Error("the token was sent to another host")
		}
	})
	s.URL = api.URL + map[string]string{"github": "", "gitea": "/api/v1", "forgejo": "/api/v1"}[kind]
	return s
}

// File puts a file into the repository.
func (s *Server) File(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = text
}

// Set changes the server while it serves.
func (s *Server) Set(change func(*Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// Move moves main to another commit.
func (s *Server) Move(sha string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = sha
}

// Add adds a run, and gives it an id unless it has one.
func (s *Server) Add(r Run) *Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(r)
}

func (s *Server) add(r Run) *Run {
	if s.next++; r.ID == 0 {
		r.ID = s.next
	}
	if r.Created.IsZero() {
		r.Created = time.Now()
	}
	s.runs = append(s.runs, &r)
	return &r
}

// Dispatched counts the runs that there are.
func (s *Server) Dispatched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// Asked lists the requests that held text, as "GET /path?query".
func (s *Server) Asked(text string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.Contains(a, text) {
			all = append(all, a)
		}
	}
	return all
}

// Unchanged counts answers that said that nothing changed.
func (s *Server) Unchanged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notSaved
}

// Change changes a run while the server serves.
func (s *Server) Change(id int64, change func(*Run)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.run(id); r != nil {
		change(r)
	}
}

func (s *Server) run(id int64) *Run {
	for _, r := range s.runs {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// blob serves logs from another host, as GitHub does.
func (s *Server) blob(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaked = s.leaked || r.Header.Get("Authorization") != ""
	id, _ := strconv.ParseInt(path.Base(r.URL.Path), 10, 64)
	fmt.Fprint(w, s.log(id))
}

func (s *Server) log(id int64) string {
	for _, r := range s.runs {
		for _, j := range r.Jobs {
			if j.ID == id {
				return j.Log
			}
		}
	}
	return ""
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

type object = map[string]any

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
	answer := s.Answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := "Bearer " + Token
	if s.Kind != "github" {
		want = "token " + Token
	}
	if r.Header.Get("Authorization") != want {
		say(w, 401, object{"message": "Bad credentials"})
		return
	}
	p := strings.TrimPrefix(r.URL.Path, "/api/v1")
	if p == "/user" {
		if s.App {
			say(w, 403, object{"message": "Resource not accessible by integration"})
		} else {
			say(w, 200, object{"login": "releaser"})
		}
		return
	}
	if strings.HasPrefix(p, "/orgs/acme/actions/secrets") {
		s.secrets(w, r, s.Org, s.Org == nil)
		return
	}
	rest, ok := strings.CutPrefix(p, "/repos/acme/packages/")
	if !ok {
		say(w, 404, object{"message": "Not Found"})
		return
	}
	s.repo(w, r, rest)
}

func (s *Server) repo(w http.ResponseWriter, r *http.Request, rest string) {
	part := strings.Split(rest, "/")
	switch {
	case rest == "actions/secrets":
		s.secrets(w, r, s.Secrets, false)
	case rest == "actions/organization-secrets" && s.Kind == "github":
		s.secrets(w, r, s.Org, s.Org == nil)
	case s.Kind == "github" && part[0] == "commits" || s.Kind != "github" && strings.HasPrefix(rest, "git/commits/"):
		if name := path.Base(rest); name != "main" && name != s.head {
			say(w, 404, object{"message": "Not Found"})
			return
		}
		say(w, 200, object{"sha": s.head})
	case part[0] == "contents":
		text, ok := s.files[strings.TrimPrefix(rest, "contents/")]
		if !ok || r.URL.Query().Get("ref") != s.head {
			say(w, 404, object{"message": "Not Found"})
			return
		}
		say(w, 200, object{"type": "file", "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(text))})
	case strings.HasSuffix(rest, "/dispatches") && r.Method == http.MethodPost:
		s.dispatch(w, r, part[2])
	case rest == "actions/runs" || strings.HasPrefix(rest, "actions/workflows/"):
		s.list(w, r, part)
	case strings.HasPrefix(rest, "actions/runs/"):
		s.one(w, r, part)
	case strings.HasPrefix(rest, "actions/jobs/") && s.Kind == "github":
		http.Redirect(w, r, s.blobs.URL+"/"+part[2], http.StatusFound)
	case strings.HasPrefix(rest, "actions/jobs/"):
		id, _ := strconv.ParseInt(part[2], 10, 64)
		fmt.Fprint(w, s.log(id))
	default:
		say(w, 404, object{"message": "Not Found"})
	}
}
