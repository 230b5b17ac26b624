package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

const jobsUnit pipeline.Unit = "jobs"

// missingMost is in how many answers in a row a Job is missing that is gone.
const missingMost = 3

// follower follows the Jobs of a run.
type follower struct {
	cluster cluster
	p       *pipeline.Progress
	note    note
	arches  []string

	pods    []pod
	told    map[string]string    // states that are in the log already
	stuck   map[string]time.Time // since when pods wait for what may never come
	missing map[string]int
	phase   string
	logs    *streams
}

// result is how the Job of an architecture ended.
type result struct {
	arch     string
	evidence pipeline.Evidence
	err      error
}

func (f *follower) say(arch, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if arch != "" {
		text = "[" + arch + "] " + text
	}
	f.p.Logf("%s", text)
}

// follow watches the Jobs until all have ended. When ctx ends they are removed,
// unless another console may be at them.
func (f *follower) follow(ctx context.Context) ([]result, error) {
	f.told, f.stuck, f.missing = map[string]string{}, map[string]time.Time{}, map[string]int{}
	f.logs = newStreams(ctx, f)
	jobs, err := f.watch(ctx)
	f.logs.end(err == nil)
	cause := context.Cause(ctx)
	var hopeless *hopelessError
	switch {
	case err == nil:
		return f.judge(jobs), nil
	case errors.As(err, &hopeless):
	case cause == nil:
		return nil, fmt.Errorf("%w: %w", pipeline.ErrUnknown, err)
	case errors.Is(cause, pipeline.ErrLost):
		return nil, config.Hint(fmt.Errorf("%w: the Jobs go on there: %w", pipeline.ErrUnknown, cause), config.HintOf(cause))
	default:
		err = cause
	}
	f.p.Logf("%v: removing the Jobs", err)
	if gone := f.remove(ctx); gone != nil {
		// The cause is not wrapped: what the operator must know is that they may go on.
		return nil, fmt.Errorf("%w: %v, but %w", pipeline.ErrUnknown, err, gone)
	}
	return nil, err
}

// hopelessError is that a pod waits for what does not come.
type hopelessError struct{ why string }

func (h *hopelessError) Error() string { return h.why }

// patient tells whether to ask again while Jobs are followed: whatever ails the
// way to them, they go on, and a login that expired can be renewed.
func patient(err error) bool {
	return errors.As(err, new(*refusal)) && reason(err) != "NotFound"
}

func (f *follower) watch(ctx context.Context) (map[string]*work, error) {
	was := ""
	for delay := fastest; ; delay = min(delay*5/4, slowest) {
		var jobs map[string]*work
		err := patiently(ctx, f.p, patient, func() (err error) {
			jobs, f.pods, err = f.cluster.list(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		over := 0
		for _, arch := range f.arches {
			w := jobs[f.note.Names[arch]]
			switch {
			case w == nil:
				if f.missing[arch]++; f.missing[arch] >= missingMost {
					over++
				}
			case w.end() != nil || f.foreign(arch, w):
				over++
			default:
				f.missing[arch] = 0
			}
		}
		now := f.show(jobs, over)
		f.logs.follow(f.pods)
		if over == len(f.arches) {
			return jobs, nil
		}
		if err := f.hopeless(jobs); err != nil {
			return nil, err
		}
		if now != was {
			was, delay = now, fastest
		}
		if err := wait(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// foreign tells whether a Job took the place of the one that was made.
func (f *follower) foreign(arch string, w *work) bool {
	uid := f.note.UIDs[arch]
	return uid != "" && w.Meta.UID != uid
}

func (f *follower) arch(p *pod) string { return p.Meta.Labels[labelArch] }

// show tells in the log what changed, and in the progress how far they are.
func (f *follower) show(jobs map[string]*work, over int) string {
	phases := map[string]int{}
	current := ""
	for i := range f.pods {
		p := &f.pods[i]
		phases[p.Status.Phase]++
		f.tell(p, p.Meta.Name, p.Status.Phase, p.Status.Reason, p.Status.Message)
		if p.Status.Phase == "Running" {
			current = p.Meta.Name
		}
		for _, c := range p.Status.Conditions {
			if c.Type == "PodScheduled" && c.Status == "False" {
				f.tell(p, p.Meta.Name+" is not scheduled", c.Reason, "", c.Message)
			}
		}
		for _, c := range p.statuses() {
			name := p.Meta.Name + "/" + c.Name
			if c.RestartCount > 0 {
				f.tell(p, name+" was started", fmt.Sprintf("%d times", c.RestartCount+1), "", "")
			}
			if w := c.State.Waiting; w != nil {
				f.tell(p, name, "waits", w.Reason, w.Message)
			} else if t := c.State.Terminated; t != nil {
				f.tell(p, name, fmt.Sprintf("ended with %d", t.ExitCode), t.Reason, t.Message)
			}
		}
	}
	text := fmt.Sprintf("%d of %d Jobs ended; pods:", over, len(f.arches))
	for _, phase := range []string{"Pending", "Running", "Succeeded", "Failed"} {
		if phases[phase] > 0 {
			text += fmt.Sprintf(" %d %s", phases[phase], strings.ToLower(phase))
		}
	}
	if len(f.pods) == 0 {
		text += " none yet"
	}
	if text != f.phase {
		f.p.Phase(text, jobsUnit, int64(len(f.arches)))
		f.p.Add(int64(over))
		f.phase = text
	}
	f.p.File(config.Inert(current))
	return text
}

// tell logs a state once.
func (f *follower) tell(p *pod, what, state, why, message string) {
	for _, more := range []string{why, message} {
		if more = strings.TrimSpace(more); more != "" {
			state += ": " + more[:min(len(more), told)]
		}
	}
	if state == "" || f.told[what] == state {
		return
	}
	f.told[what] = state
	f.say(f.arch(p), "%s: %s", what, state)
}

func (p *pod) statuses() []containerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// lost are reasons to wait that end by themselves only where somebody mends them.
var lost = []string{"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

// hopeless is that a pod has waited too long for its image, or for what it is
// configured with.
func (f *follower) hopeless(jobs map[string]*work) error {
	still := map[string]time.Time{}
	var err error
	for i := range f.pods {
		p := &f.pods[i]
		if w := jobs[f.note.Names[f.arch(p)]]; w == nil || w.end() != nil || p.Meta.Deleted != nil {
			continue
		}
		for _, c := range p.statuses() {
			w := c.State.Waiting
			if w == nil || !slices.Contains(lost, w.Reason) {
				continue
			}
			key := p.Meta.UID + "/" + c.Name
			since, ok := f.stuck[key]
			if !ok {
				since = time.Now()
			}
			still[key] = since
			if waited := time.Since(since); waited >= patience && err == nil {
				err = config.Hint(&hopelessError{fmt.Sprintf("%s has waited for %s: %s: %s", config.Inert(p.Meta.Name), patience, config.Inert(w.Reason), config.Inert(w.Message[:min(len(w.Message), told)]))},
					"mend the manifest, or what it names, and run it again")
			}
		}
	}
	f.stuck = still
	return err
}

// judge tells how each Job ended.
func (f *follower) judge(jobs map[string]*work) []result {
	var all []result
	for _, arch := range f.arches {
		name := f.note.Names[arch]
		r := result{arch: arch, evidence: pipeline.Evidence{"job": f.note.At.Namespace + "/" + name}}
		w := jobs[name]
		switch {
		case w == nil && !f.note.Created && f.note.UIDs[arch] == "":
			r.err = fmt.Errorf("job %s was not made, or is not there any more", name)
		case w == nil:
			r.err = fmt.Errorf("job %s: %w, and nobody can tell how it ended", name, errDeleted)
		case f.foreign(arch, w):
			r.err = fmt.Errorf("another Job has taken the place of job %s, and nobody can tell how that ended", name)
		case w.end() == nil:
			r.err = fmt.Errorf("job %s %w", name, pipeline.ErrGoesOn)
		default:
			end := w.end()
			r.evidence["outcome"] = end.Type
			if pods := f.count(arch); pods != "" {
				r.evidence["pods"] = pods
			}
			if end.Type != "Complete" {
				r.err = fmt.Errorf("job %s failed: %s%s", name, strings.Trim(config.Inert(clip(end.Reason))+": "+config.Inert(clip(end.Message)), ": "), f.blame(arch))
			}
		}
		all = append(all, r)
	}
	return all
}

func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), told)], "") }

// count is the pods of an architecture by how they ended.
func (f *follower) count(arch string) string {
	phases := map[string]int{}
	for i := range f.pods {
		if f.arch(&f.pods[i]) == label(arch) {
			phases[strings.ToLower(f.pods[i].Status.Phase)]++
		}
	}
	var all []string
	for _, phase := range []string{"succeeded", "failed", "running", "pending"} {
		if phases[phase] > 0 {
			all = append(all, fmt.Sprintf("%d %s", phases[phase], phase))
		}
	}
	return strings.Join(all, ", ")
}

// blame is how the last pod of an architecture failed that did.
func (f *follower) blame(arch string) string {
	for i := range slices.Backward(f.pods) {
		p := &f.pods[i]
		if f.arch(p) != label(arch) || p.Status.Phase != "Failed" {
			continue
		}
		for _, c := range p.statuses() {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				return fmt.Sprintf("; %s/%s ended with %d (%s)", config.Inert(p.Meta.Name), config.Inert(c.Name), t.ExitCode, config.Inert(clip(t.Reason)))
			}
		}
		return fmt.Sprintf("; %s: %s", config.Inert(p.Meta.Name), config.Inert(clip(strings.TrimSpace(p.Status.Reason+" "+p.Status.Message))))
	}
	return ""
}

// remove removes the Jobs that are marked as those of the run, and waits until they
// are gone with their pods.
func (f *follower) remove(ctx context.Context) error {
	late, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), removeIn, fmt.Errorf("they are not gone within %s", removeIn))
	defer stop()
	f.p.Phase("remove the Jobs", jobsUnit, 0)
	for delay := fastest; ; delay = min(delay*5/4, slowest) {
		left := 0
		err := patiently(late, f.p, patient, func() error {
			jobs, pods, err := f.cluster.list(late)
			left = len(jobs) + len(pods)
			for name, w := range jobs {
				if err == nil && w.Meta.Deleted == nil {
					err = f.cluster.remove(late, name)
				}
			}
			return err
		})
		if err == nil && left == 0 {
			f.p.Logf("the Jobs are gone, and their pods")
			return nil
		}
		if err == nil {
			err = wait(late, delay)
		}
		if err != nil {
			return f.remains(err)
		}
	}
}

func (f *follower) remains(err error) error {
	return config.Hint(fmt.Errorf("the Jobs may go on: %w", err), "look there: kubectl -n "+f.note.At.Namespace+" get jobs,pods -l "+labelRun+"="+label(f.cluster.run))
}
