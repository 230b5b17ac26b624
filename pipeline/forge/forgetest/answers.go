package forgetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

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
