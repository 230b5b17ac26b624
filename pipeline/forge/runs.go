package forge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"gantry/config"
)

// Run is one run of a workflow, as the forge tells of it.
type Run struct {
	ID         int64
	Attempt    int64  // counts re-runs, from 1; 0 where it is not told
	Repository string // owner/name
	Workflow   string // path of its file, or the file's name alone where only that is told
	Event      string
	Ref        string // name of the branch or tag
	SHA        string // the commit that the workflow was read from
	Actor      string // who started it
	Title      string
	URL        string // of its page
	Created    time.Time
	Status     string            // queued, in_progress...
	Over       bool              // it has ended, as Conclusion says
	Conclusion string            // success, failure, cancelled...
	Inputs     map[string]string // what it was dispatched with; nil where it is not told
}

// wireRun is a run as GitHub and Gitea write it, and as Forgejo does.
type wireRun struct {
	ID         int64  `json:"id"`
	Event      string `json:"event"`
	Status     string `json:"status"`
	URL        string `json:"html_url"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`

	Path       string    `json:"path"`
	Attempt    int64     `json:"run_attempt"`
	HeadBranch string    `json:"head_branch"`
	HeadSHA    string    `json:"head_sha"`
	Title      string    `json:"display_title"`
	Conclusion string    `json:"conclusion"`
	CreatedAt  time.Time `json:"created_at"`
	Actor      struct {
		Login string `json:"login"`
	} `json:"actor"`

	CommitSHA   string          `json:"commit_sha"`
	WorkflowID  json.RawMessage `json:"workflow_id"` // a number of GitHub, the file's name of Forgejo
	PrettyRef   string          `json:"prettyref"`
	OldTitle    string          `json:"title"`
	Created     time.Time       `json:"created"`
	Payload     string          `json:"event_payload"`
	TriggerUser struct {
		Login string `json:"login"`
	} `json:"trigger_user"`
}

func (c *Client) run(w wireRun) Run {
	file, ref, _ := strings.Cut(w.Path, "@")
	r := Run{
		ID: w.ID, Attempt: w.Attempt, Repository: c.clean(w.Repository.FullName), Workflow: c.clean(file),
		Event: c.clean(w.Event), Ref: c.clean(cmp.Or(w.HeadBranch, ShortRef(ref))), SHA: c.clean(w.HeadSHA), Actor: c.clean(w.Actor.Login),
		Title: c.clean(w.Title), URL: c.page(w.URL), Created: w.CreatedAt, Status: c.clean(w.Status), Conclusion: c.clean(w.Conclusion),
	}
	r.Over = w.Status == "completed"
	if w.CommitSHA == "" {
		return r
	}
	var name string
	if json.Unmarshal(w.WorkflowID, &name) == nil {
		r.Workflow = c.clean(name)
	}
	r.SHA, r.Ref, r.Title = c.clean(w.CommitSHA), c.clean(w.PrettyRef), c.clean(w.OldTitle)
	r.Created, r.Actor = w.Created, c.clean(w.TriggerUser.Login)
	r.Over, r.Conclusion = over(w.Status)
	inputs, file := payload(w.Payload)
	if r.Inputs = inputs; path.Base(file) == r.Workflow {
		r.Workflow = c.clean(file)
	}
	return r
}

// payload reads what a dispatch was made with: the inputs, defaults included, and
// the path of the workflow's file. The inputs are nil where they are not told.
func payload(text string) (inputs map[string]string, file string) {
	var p struct {
		Inputs   map[string]any `json:"inputs"`
		Workflow string         `json:"workflow"`
	}
	if json.Unmarshal([]byte(text), &p) != nil || p.Inputs == nil {
		return nil, p.Workflow
	}
	inputs = map[string]string{}
	for name, value := range p.Inputs {
		inputs[config.Inert(name)] = config.Inert(fmt.Sprint(value))
	}
	return inputs, p.Workflow
}

// over reads the one word that Forgejo has for status and conclusion.
func over(status string) (bool, string) {
	switch status {
	case "success", "failure", "cancelled", "skipped":
		return true, status
	}
	return false, ""
}

// page is the URL of a page, if it is one for people to open.
func (c *Client) page(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return ""
	}
	return c.clean((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// ShortRef is the name of a branch or tag without refs/heads/ or refs/tags/.
func ShortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

// Run reads one run.
func (c *Client) Run(ctx context.Context, id int64) (Run, error) {
	var w wireRun
	if _, err := c.get(ctx, c.path("actions/runs/%d", id), &w); err != nil {
		return Run{}, fmt.Errorf("look at run %d of %s: %w", id, c.repo, err)
	}
	if w.ID != id {
		return Run{}, fmt.Errorf("look at run %d of %s: the answer is about run %d", id, c.repo, w.ID)
	}
	return c.run(w), nil
}

// Dispatched lists runs of a workflow that were started by workflow_dispatch,
// newest first, until enough says that it has seen what it needs. file is the
// name of the workflow's file.
func (c *Client) Dispatched(ctx context.Context, file string, enough func(Run) bool) ([]Run, error) {
	at := c.path("actions/workflows/%s/runs?event=workflow_dispatch&per_page=100&page=", url.PathEscape(file))
	if c.kind == config.Forgejo {
		at = c.path("actions/runs?event=workflow_dispatch&workflow_id=%s&limit=50&page=", url.QueryEscape(file))
	}
	var all []Run
	seen := map[int64]bool{} // pages shift when a run comes meanwhile
	var list struct {
		Total *int      `json:"total_count"`
		Runs  []wireRun `json:"workflow_runs"`
	}
	into := func() any {
		list.Total, list.Runs = nil, nil
		return &list
	}
	err := c.pages(ctx, at, into, func(total int) (int, int, bool) {
		for _, w := range list.Runs {
			r := c.run(w)
			if enough(r) {
				return len(list.Runs), total, true
			}
			if path.Base(r.Workflow) == file && r.Event == "workflow_dispatch" && !seen[r.ID] { // Gitea does not filter by workflow
				all, seen[r.ID] = append(all, r), true
			}
		}
		if list.Total != nil {
			total = *list.Total
		}
		return len(list.Runs), total, false
	})
	if Status(err) == http.StatusNotFound && c.kind == config.Forgejo {
		err = config.Hint(err, "runs are listed by Forgejo from version 12 on, and by Gitea from 1.25 on")
	}
	if err != nil {
		return nil, fmt.Errorf("list the runs of %s in %s: %w", file, c.repo, err)
	}
	return all, nil
}

// ErrUnsure is that a dispatch may or may not have been taken: no answer came.
var ErrUnsure = errors.New("nobody can tell whether the dispatch was taken")

// Dispatch starts a workflow. id is its run, 0 where the server does not tell.
// An error that is not ErrUnsure means that nothing was started.
func (c *Client) Dispatch(ctx context.Context, file, ref string, inputs map[string]string) (id int64, err error) {
	at := c.path("actions/workflows/%s/dispatches", url.PathEscape(file))
	body := map[string]any{"ref": ref, "inputs": inputs}
	if c.kind == config.Forgejo { // Gitea reads the one, Forgejo the other
		at += "?return_run_details=true"
		body["return_run_info"] = true
	} else {
		body["return_run_details"] = true
	}
	_, answer, err := c.post(ctx, at, body)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusUnprocessableEntity && c.kind == config.GitHub && strings.Contains(e.Message, "return_run_details") {
		delete(body, "return_run_details") // an older GitHub Enterprise refuses what it does not know
		_, answer, err = c.post(ctx, at, body)
	}
	if err != nil {
		if s := Status(err); !errors.Is(err, errRedirected) && (s < 400 || s >= 500) {
			return 0, fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		return 0, fmt.Errorf("dispatch %s of %s: %w", file, c.repo, err)
	}
	var told struct {
		GitHub  int64 `json:"workflow_run_id"`
		Forgejo int64 `json:"id"`
	}
	if len(answer) > 0 && json.Unmarshal(answer, &told) != nil {
		return 0, nil // it was taken; which run it is, is found out otherwise
	}
	return max(0, cmp.Or(told.GitHub, told.Forgejo)), nil
}

// Cancel asks the forge to stop a run. That it has ended already is no error.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	_, _, err := c.post(ctx, c.path("actions/runs/%d/cancel", id), struct{}{})
	switch s := Status(err); {
	case s == http.StatusConflict:
		return nil // GitHub: it is over
	case (s == http.StatusNotFound || s == http.StatusMethodNotAllowed) && c.kind == config.Forgejo:
		err = config.Hint(err, "Forgejo cancels by its API from version 16 on, Gitea from 1.26 on: stop the run on its page")
	}
	if err != nil {
		return fmt.Errorf("cancel run %d of %s: %w", id, c.repo, err)
	}
	return nil
}
