package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gantry/config"
)

const (
	// LogMost is how many bytes of a job's log are read.
	LogMost    = 4 << 20
	lineMost   = 4 << 10
	linesMost  = 100_000
	logsWithin = 2 * time.Minute
)

// Job is a job of a run.
type Job struct {
	ID         int64
	Name       string
	Status     string
	Over       bool
	Conclusion string
	Steps      []Step // none where the forge does not tell
}

// Step is a step of a job.
type Step struct {
	Name       string
	Status     string
	Over       bool
	Conclusion string
}

type wireStep struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
}

type wireJob struct {
	wireStep
	ID    int64      `json:"id"`
	RunID int64      `json:"run_id"`
	Steps []wireStep `json:"steps"`
}

func (c *Client) step(w wireStep) Step {
	s := Step{Name: c.clean(w.Name), Status: c.clean(w.Status), Over: w.Status == "completed", Conclusion: c.clean(w.Conclusion)}
	if done, how := over(w.Status); done {
		s.Over, s.Conclusion = true, how
	}
	return s
}

// jobList is the answer of GitHub and Gitea, and the bare list of Forgejo.
type jobList struct {
	Total *int      `json:"total_count"`
	Jobs  []wireJob `json:"jobs"`
}

// UnmarshalJSON reads either.
func (l *jobList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		if err := json.Unmarshal(b, &l.Jobs); err != nil {
			return err
		}
		n := len(l.Jobs) // Forgejo has no pages of jobs
		l.Total = &n
		return nil
	}
	type plain jobList
	return json.Unmarshal(b, (*plain)(l))
}

// Jobs lists the jobs of a run's last attempt.
func (c *Client) Jobs(ctx context.Context, run int64) ([]Job, error) {
	at := c.path("actions/runs/%d/jobs?per_page=100&page=", run)
	if c.kind == config.Forgejo {
		at = c.path("actions/runs/%d/jobs?limit=50&page=", run)
	}
	var all []Job
	var list jobList
	into := func() any {
		list = jobList{}
		return &list
	}
	var foreign error
	err := c.pages(ctx, at, into, func(total int) (int, int, bool) {
		for _, w := range list.Jobs {
			if w.RunID != 0 && w.RunID != run {
				foreign = fmt.Errorf("job %d is of run %d", w.ID, w.RunID)
				return 0, 0, true
			}
			s := c.step(w.wireStep)
			j := Job{ID: w.ID, Name: s.Name, Status: s.Status, Over: s.Over, Conclusion: s.Conclusion}
			for _, s := range w.Steps {
				j.Steps = append(j.Steps, c.step(s))
			}
			all = append(all, j)
		}
		if list.Total != nil {
			total = *list.Total
		}
		return len(list.Jobs), total, false
	})
	if err == nil {
		err = foreign
	}
	if err != nil {
		return nil, fmt.Errorf("list the jobs of run %d of %s: %w", run, c.repo, err)
	}
	return all, nil
}

// colour is what programs write to colour their output.
var colour = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// Log reads the log of a job that is over, line by line, harmless and without
// colours; cut tells that it goes on after the first 4 MiB or 100,000 lines. Where the forge sends
// the reader elsewhere, the token stays behind.
func (c *Client) Log(ctx context.Context, job int64) (lines []string, cut bool, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, logsWithin, errSlow)
	defer stop()
	fail := func(err error) ([]string, bool, error) {
		return nil, false, fmt.Errorf("read the log of job %d of %s: %w", job, c.repo, err)
	}
	req, err := c.request(ctx, http.MethodGet, c.path("actions/jobs/%d/logs", job), nil)
	if err != nil {
		return fail(err)
	}
	resp, err := c.do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(c.refused(resp))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, LogMost+1))
	if err != nil {
		return fail(c.unreached(ctx, err))
	}
	if cut = len(b) > LogMost; cut {
		b = b[:bytes.LastIndexByte(b[:LogMost], '\n')+1] // half a line may hold half a token
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), c.token, "***")
	for line := range strings.Lines(text) {
		if len(lines) == linesMost {
			return lines, true, nil
		}
		line = config.Inert(colour.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""))
		if len(line) > lineMost {
			line = strings.ToValidUTF8(line[:lineMost], "") + "..."
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines, cut, nil
}
