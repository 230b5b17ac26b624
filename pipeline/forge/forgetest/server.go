// Package forgetest answers as GitHub, Gitea and Forgejo document, for tests.
package forgetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
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

// Dispatched counts the runs there are; Asked lists the requests there were, as
// "GET /path".
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
	s.mu.Unlock()
	if s.Answer != nil && s.Answer(w, r) {
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

// page cuts a page out of a list.
func page[T any](s *Server, r *http.Request, all []T) []T {
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("per_page") + q.Get("limit"))
	size = min(max(size, 1), s.PerPage)
	from := min(max(n-1, 0)*size, len(all))
	return all[from:min(from+size, len(all))]
}

func (s *Server) secrets(w http.ResponseWriter, r *http.Request, names []string, absent bool) {
	if absent {
		say(w, 404, object{"message": "Not Found"})
		return
	}
	list := []object{}
	for _, name := range page(s, r, names) {
		list = append(list, object{"name": name, "created_at": time.Now()})
	}
	if s.Kind == "github" {
		say(w, 200, object{"total_count": len(names), "secrets": list})
		return
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(names)))
	say(w, 200, list)
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, file string) {
	var body struct {
		Ref     string            `json:"ref"`
		Inputs  map[string]string `json:"inputs"`
		GitHub  bool              `json:"return_run_details"`
		Forgejo bool              `json:"return_run_info"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		say(w, 400, object{"message": err.Error()})
		return
	}
	run := Run{
		Repository: "acme/packages", File: file, Event: "workflow_dispatch", Ref: body.Ref, SHA: s.head, Actor: "releaser",
		Title: file, Status: "queued", Inputs: body.Inputs,
	}
	if s.Started != nil && !s.Started(&run) {
		w.WriteHeader(204)
		return
	}
	id := s.add(run).ID
	switch {
	case !s.Mute && s.Kind == "github" && body.GitHub, !s.Mute && s.Kind == "gitea" && r.URL.Query().Get("return_run_details") == "true":
		say(w, 200, object{"workflow_run_id": id})
	case !s.Mute && s.Kind == "forgejo" && body.Forgejo:
		say(w, 201, object{"id": id, "run_number": 1, "jobs": []string{}})
	default:
		w.WriteHeader(204)
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, part []string) {
	q := r.URL.Query()
	file := q.Get("workflow_id")
	if part[1] == "workflows" {
		file = part[2]
	}
	if s.Kind == "gitea" {
		file = "" // it does not filter by it
	}
	var all []object
	for _, run := range slices.Backward(s.runs) {
		if (file == "" || run.File == file) && run.Event == q.Get("event") {
			all = append(all, s.shape(run))
		}
	}
	say(w, 200, object{"total_count": len(all), "workflow_runs": page(s, r, all)})
}

func (s *Server) one(w http.ResponseWriter, r *http.Request, part []string) {
	id, _ := strconv.ParseInt(part[2], 10, 64)
	run := s.run(id)
	switch {
	case run == nil:
		say(w, 404, object{"message": "Not Found"})
	case len(part) == 4 && part[3] == "cancel" && r.Method == http.MethodPost:
		if run.Status == "completed" {
			say(w, 409, object{"message": "Cannot cancel a workflow run that is completed."})
			return
		}
		run.Status, run.Conclusion = "completed", "cancelled"
		w.WriteHeader(map[string]int{"github": 202, "gitea": 200, "forgejo": 204}[s.Kind])
	case len(part) == 4 && part[3] == "jobs":
		s.jobs(w, r, run)
	default:
		run.Looks++
		if s.Looked != nil {
			s.Looked(run)
		}
		b, _ := json.Marshal(s.shape(run))
		etag := fmt.Sprintf("%q", base64.RawStdEncoding.EncodeToString([]byte(run.Status+run.Conclusion)))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			s.notSaved++
			w.WriteHeader(304)
			return
		}
		w.Write(b)
	}
}

func (s *Server) jobs(w http.ResponseWriter, r *http.Request, run *Run) {
	list := []object{}
	for _, j := range run.Jobs {
		o := object{"id": j.ID, "run_id": run.ID, "name": j.Name, "status": j.Status, "conclusion": j.Conclusion}
		steps := []object{}
		for _, st := range j.Steps {
			steps = append(steps, object{"name": st.Name, "status": st.Status, "conclusion": st.Conclusion})
		}
		o["steps"] = steps
		if s.Kind == "forgejo" {
			delete(o, "run_id")
			delete(o, "steps")
			delete(o, "conclusion")
			o["status"] = oneWord(j.Status, j.Conclusion)
		}
		list = append(list, o)
	}
	if s.Kind == "forgejo" {
		say(w, 200, list)
		return
	}
	say(w, 200, object{"total_count": len(list), "jobs": page(s, r, list)})
}

// oneWord is status and conclusion as Forgejo has them.
func oneWord(status, conclusion string) string {
	if status == "completed" {
		return conclusion
	}
	return map[string]string{"queued": "waiting", "in_progress": "running", "pending": "blocked"}[status]
}

// shape is a run as each software writes it.
func (s *Server) shape(r *Run) object {
	dir := map[string]string{"github": ".github/workflows/", "forgejo": ".forgejo/workflows/"}[s.Kind]
	repository := object{"full_name": r.Repository}
	if s.Kind == "forgejo" {
		payload, _ := json.Marshal(object{"inputs": r.Inputs, "ref": "refs/heads/" + r.Ref, "workflow": dir + r.File})
		return object{
			"id": r.ID, "repository": repository, "workflow_id": r.File, "prettyref": r.Ref, "commit_sha": r.SHA, "event": r.Event,
			"event_payload": string(payload), "status": oneWord(r.Status, r.Conclusion), "created": r.Created, "title": r.Title,
			"trigger_user": object{"login": r.Actor}, "html_url": "https://forge.example.org/run",
		}
	}
	o := object{
		"id": r.ID, "repository": repository, "workflow_id": 7, "head_branch": r.Ref, "head_sha": r.SHA, "event": r.Event, "path": dir + r.File,
		"status": r.Status, "conclusion": r.Conclusion, "created_at": r.Created, "display_title": r.Title, "run_attempt": 1,
		"actor": object{"login": r.Actor}, "html_url": "https://github.example.org/run",
	}
	if s.Kind == "gitea" {
		o["path"] = r.File + "@refs/heads/" + r.Ref
		o["workflow_id"] = nil
	}
	return o
}
