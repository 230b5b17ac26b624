package job_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// api is the API server of a cluster, as far as Jobs need it. What happens in the
// cluster, its tests say.
type api struct {
	t   *testing.T
	web *httptest.Server

	mu      sync.Mutex
	gone    bool              // it hangs up on everybody
	answers []int             // statuses that the next requests get instead of an answer
	lose    int               // creations that are done, but whose answer is lost
	stays   bool              // Jobs are not removed, whatever is asked
	jobs    map[string]object // by name
	pods    map[string]object
	logs    map[string]*logged // by pod/container
	created int
	strange []string // requests that are not known here
	since   []string // what logs were asked for from

	following, followed int // logs that are asked for at this moment, and at most
}

type object = map[string]any

// logged is the log of a container.
type logged struct {
	lines []string // each with its time
	ended bool
	cut   int // how many more times the stream is cut after some lines
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, jobs: map[string]object{}, pods: map[string]object{}, logs: map[string]*logged{}}
	a.web = httptest.NewUnstartedServer(a)
	a.web.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.web.StartTLS()
	t.Cleanup(a.web.Close)
	kubeconfig := path.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {token: t0ken}}]\ncontexts: [{name: c, context: {cluster: c, user: u, namespace: empanadas}}]\n", a.web.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	return a
}

// with does something while nobody else does.
func (a *api) with(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object{"kind": "Status", "apiVersion": "v1", "metadata": object{}, "status": "Failure", "message": message, "reason": reason, "code": code})
}

func answer(w http.ResponseWriter, o any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(o)
}

// ServeHTTP answers one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if a.gone {
		a.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/version" { // some builds of kubectl ask, to choose among themselves
		a.mu.Unlock()
		answer(w, object{"major": "1", "minor": "32", "gitVersion": "v1.32.4"})
		return
	}
	if len(a.answers) > 0 {
		code := a.answers[0]
		a.answers = a.answers[1:]
		a.mu.Unlock()
		status(w, code, map[int]string{410: "Expired", 503: "ServiceUnavailable", 500: "InternalError", 401: "Unauthorized", 403: "Forbidden"}[code], "so it is told to say \x1b[31m")
		return
	}
	a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		status(w, 401, "Unauthorized", "who is it?")
		return
	}
	dir, name := path.Split(r.URL.Path)
	switch {
	case r.Method == "POST" && r.URL.Path == "/apis/batch/v1/namespaces/empanadas/jobs":
		a.create(w, r)
	case r.URL.Path == "/apis/batch/v1/namespaces/empanadas/jobs":
		a.list(w, r, a.jobs)
	case r.URL.Path == "/api/v1/namespaces/empanadas/pods":
		a.list(w, r, a.pods)
	case dir == "/apis/batch/v1/namespaces/empanadas/jobs/":
		a.one(w, r, name)
	case name == "log" && r.Method == "GET":
		a.log(w, r, path.Base(path.Clean(dir)))
	default:
		a.with(func() { a.strange = append(a.strange, r.Method+" "+r.URL.String()) })
		status(w, 404, "NotFound", "the server could not find the requested resource")
	}
}

func (a *api) create(w http.ResponseWriter, r *http.Request) {
	var o object
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		status(w, 400, "BadRequest", err.Error())
		return
	}
	if r.URL.Query().Get("fieldValidation") != "Strict" {
		status(w, 400, "BadRequest", "not strict")
		return
	}
	meta := o["metadata"].(object)
	name := meta["name"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, there := a.jobs[name]; there {
		status(w, 409, "AlreadyExists", fmt.Sprintf("jobs.batch %q already exists", name))
		return
	}
	a.created++
	meta["uid"] = fmt.Sprintf("uid-%d", a.created)
	o["status"] = object{}
	a.jobs[name] = o
	if a.lose > 0 {
		a.lose--
		panic(http.ErrAbortHandler)
	}
	answer(w, o)
}

func (a *api) one(w http.ResponseWriter, r *http.Request, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, ok := a.jobs[name]
	switch {
	case !ok:
		status(w, 404, "NotFound", fmt.Sprintf("jobs.batch %q not found", name))
	case r.Method == "DELETE" && r.URL.Query().Get("propagationPolicy") != "Foreground":
		status(w, 400, "BadRequest", "its pods would stay")
	case r.Method == "DELETE" && !a.stays:
		delete(a.jobs, name)
		for pod, p := range a.pods {
			if p["metadata"].(object)["labels"].(object)["job-name"] == name {
				delete(a.pods, pod)
			}
		}
		answer(w, object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	default:
		answer(w, o)
	}
}

func (a *api) list(w http.ResponseWriter, r *http.Request, all map[string]object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, want, _ := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
	items := []object{}
	for _, o := range all {
		if labels, _ := o["metadata"].(object)["labels"].(object); labels[key] == want {
			items = append(items, o)
		}
	}
	answer(w, object{"kind": "List", "apiVersion": "v1", "metadata": object{}, "items": items})
}

// log streams the log of a container until that has ended.
func (a *api) log(w http.ResponseWriter, r *http.Request, pod string) {
	q := r.URL.Query()
	if q.Get("follow") != "true" || q.Get("timestamps") != "true" {
		status(w, 400, "BadRequest", "not followed")
		return
	}
	var since time.Time
	if s := q.Get("sinceTime"); s != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, s); err != nil {
			status(w, 400, "BadRequest", err.Error())
			return
		}
	}
	a.mu.Lock()
	l := a.logs[pod+"/"+q.Get("container")]
	a.since = append(a.since, q.Get("sinceTime"))
	a.following++
	a.followed = max(a.followed, a.following)
	defer a.with(func() { a.following-- })
	a.mu.Unlock()
	if l == nil {
		status(w, 404, "NotFound", "no such container")
		return
	}
	sent, wrote := 0, 0
	for r.Context().Err() == nil {
		a.mu.Lock()
		lines, ended, gone := slices.Clone(l.lines), l.ended, a.gone
		a.mu.Unlock()
		if gone {
			panic(http.ErrAbortHandler)
		}
		for ; sent < len(lines); sent++ {
			stamp, _, _ := strings.Cut(lines[sent], " ")
			if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && at.Before(since) {
				continue
			}
			io.WriteString(w, lines[sent]+"\n")
			if wrote++; wrote < 7 {
				continue
			}
			cut := false
			a.with(func() {
				if cut = l.cut > 0; cut {
					l.cut--
				}
			})
			if cut {
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
		}
		w.(http.Flusher).Flush()
		if ended {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// job waits until a Job of an architecture is there, and returns its name.
func (a *api) job(arch string) (name string) {
	a.t.Helper()
	until(a.t, "a Job of "+arch, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		for n, o := range a.jobs {
			if labels := o["metadata"].(object)["labels"].(object); labels["gantry.arch"] == arch || arch == "" && labels["gantry.arch"] == nil {
				name = n
			}
		}
		return name != ""
	})
	if name == "" {
		a.t.Fatalf("no Job of %s; requests for %v", arch, a.strange)
	}
	return name
}

// pod makes or changes a pod of a Job: its phase, and the state of its container.
func (a *api) pod(job, name, phase string, restarts int, state object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.pods[name]
	if o == nil {
		labels := object{"job-name": job}
		for k, v := range a.jobs[job]["spec"].(object)["template"].(object)["metadata"].(object)["labels"].(object) {
			labels[k] = v
		}
		o = object{"metadata": object{"name": name, "uid": "uid-" + name, "labels": labels, "creationTimestamp": fmt.Sprintf("2026-11-21T17:%02d:00Z", len(a.pods))}}
		a.pods[name] = o
	}
	o["status"] = object{"phase": phase, "containerStatuses": []object{{"name": "build", "restartCount": restarts, "state": state}}}
}

// say adds lines to the log of the container of a pod.
func (a *api) say(pod string, ended bool, lines ...string) *logged {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.logs[pod+"/build"]
	if l == nil {
		l = &logged{}
		a.logs[pod+"/build"] = l
	}
	for _, line := range lines {
		at := time.Date(2026, 11, 21, 17, 0, len(l.lines)/3, 1000*len(l.lines), time.UTC)
		l.lines = append(l.lines, at.Format(time.RFC3339Nano)+" "+line)
	}
	l.ended = ended
	return l
}

// end ends a Job.
func (a *api) end(job, condition, reason string) {
	a.with(func() {
		a.jobs[job]["status"] = object{"conditions": []object{{"type": condition, "status": "True", "reason": reason, "message": "Job has " + condition}}}
	})
}

var running, well = object{"running": object{}}, object{"terminated": object{"exitCode": 0, "reason": "Completed"}}

func ill(code int, reason string) object {
	return object{"terminated": object{"exitCode": code, "reason": reason}}
}

func waits(reason string) object {
	return object{"waiting": object{"reason": reason, "message": "Back-off pulling image \x1b[31m"}}
}

// until waits for what must become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%s: not within 10 seconds", what)
}
