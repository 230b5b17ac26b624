package remote

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

// words are what conclusions other than success mean.
var words = map[string]string{
	"cancelled":       "it was cancelled there: by a person, or by its concurrency group when another dispatch came",
	"skipped":         "it was skipped: none of its jobs had anything to do",
	"neutral":         "it ended as neutral, which is no success",
	"action_required": "it waits for somebody to act there, and did nothing",
	"timed_out":       "it took longer than it may there",
	"stale":           "the server gave it up",
	"startup_failure": "it could not start: its file is broken, or it may not run",
}

// verdict judges a run that has ended. Success is believed only of the run that
// was confirmed, and only if a job of it did something.
func (a aim) verdict(r forge.Run, jobs []forge.Job) (pipeline.Evidence, error) {
	ev := evidence(r)
	if err := a.trusted(r); err != nil {
		return ev, err
	}
	var failed []string
	succeeded := 0
	for _, j := range jobs {
		switch j.Conclusion {
		case "success":
			succeeded++
		case "skipped":
		default:
			failed = append(failed, blame(j))
		}
	}
	if len(jobs) > 0 {
		ev["jobs"] = fmt.Sprintf("%d of %d succeeded", succeeded, len(jobs))
	}
	page := "its page is " + orNothing(r.URL)
	switch {
	case r.Conclusion == "success" && len(jobs) > 0 && succeeded == 0:
		return ev, config.Hint(fmt.Errorf("run %d ended as a success, but no job of it succeeded", r.ID), page)
	case r.Conclusion == "success":
		return ev, nil
	case r.Conclusion == "failure" && len(failed) > 0:
		const most = 5
		if len(failed) > most {
			failed = append(failed[:most], fmt.Sprintf("and %d more", len(failed)-most))
		}
		return ev, config.Hint(fmt.Errorf("run %d failed: %s", r.ID, strings.Join(failed, "; ")), "the jobs' logs are in the run's log; "+page)
	case r.Conclusion == "failure":
		return ev, config.Hint(fmt.Errorf("run %d failed", r.ID), page)
	}
	why, ok := words[r.Conclusion]
	if !ok {
		why = fmt.Sprintf("it ended as %q", r.Conclusion)
	}
	return ev, config.Hint(fmt.Errorf("run %d is no success: %w", r.ID, errors.New(why)), page)
}

// blame is the job that failed, and the step of it that did.
func blame(j forge.Job) string {
	for _, s := range j.Steps {
		if s.Conclusion != "success" && s.Conclusion != "skipped" {
			return fmt.Sprintf("%s: %s at %s", j.Name, orNothing(s.Conclusion), s.Name)
		}
	}
	return j.Name + ": " + orNothing(j.Conclusion)
}

func evidence(r forge.Run) pipeline.Evidence {
	ev := pipeline.Evidence{
		"run": strconv.FormatInt(r.ID, 10), "page": r.URL, "conclusion": r.Conclusion,
		"commit": r.SHA, "workflow": r.Workflow, "ref": r.Ref,
	}
	if r.Attempt > 1 {
		ev["attempt"] = strconv.FormatInt(r.Attempt, 10)
	}
	return ev
}
