package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// cluster is the part of one where the Jobs of a run are. It is asked for paths of
// the API, which kubectl needs to look up nothing for.
type cluster struct {
	kubectl kubectl
	at      place
	run     string // label of its Jobs and pods
}

type meta struct {
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Created     time.Time         `json:"creationTimestamp"`
	Deleted     *time.Time        `json:"deletionTimestamp"`
}

type condition struct{ Type, Status, Reason, Message string }

// work is a Job as the cluster has it.
type work struct {
	Meta   meta `json:"metadata"`
	Status struct {
		Conditions []condition
		Active     int
		Succeeded  int
		Failed     int
	}
}

// end is the condition that ended it, nil while it goes on.
func (w *work) end() *condition {
	for i, c := range w.Status.Conditions {
		if (c.Type == "Complete" || c.Type == "Failed") && c.Status == "True" {
			return &w.Status.Conditions[i]
		}
	}
	return nil
}

type containerState struct {
	Waiting    *struct{ Reason, Message string }
	Running    *struct{}
	Terminated *struct {
		ExitCode        int
		Reason, Message string
	}
}

type containerStatus struct {
	Name         string
	RestartCount int
	State        containerState
}

type pod struct {
	Meta   meta `json:"metadata"`
	Status struct {
		Phase, Reason, Message string
		Conditions             []condition
		InitContainerStatuses  []containerStatus
		ContainerStatuses      []containerStatus
	}
}

func (c cluster) jobs() string {
	return "/apis/batch/v1/namespaces/" + url.PathEscape(c.at.Namespace) + "/jobs"
}

func (c cluster) pods() string {
	return "/api/v1/namespaces/" + url.PathEscape(c.at.Namespace) + "/pods"
}

func (c cluster) selector() string {
	return "?labelSelector=" + url.QueryEscape(labelRun+"="+label(c.run))
}

func decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("the cluster's answer cannot be read: %w", err)
	}
	return nil
}

// create makes a Job, unless it is there: then it must be this very one, which a
// console before this one made, or an attempt of ours whose answer was lost.
func (c cluster) create(ctx context.Context, name string, m *manifest, labels map[string]string) (work, error) {
	body, err := m.marked(name, c.at.Namespace, labels)
	if err != nil {
		return work{}, err
	}
	var w work
	b, err := c.kubectl.ask(ctx, body, "create", "--raw", c.jobs()+"?fieldValidation=Strict", "-f", "-")
	if err == nil {
		err = decode(b, &w)
	}
	if reason(err) != "AlreadyExists" {
		return w, err
	}
	if b, err = c.kubectl.ask(ctx, nil, "get", "--raw", c.jobs()+"/"+url.PathEscape(name)); err == nil {
		err = decode(b, &w)
	}
	if err != nil {
		return w, err
	}
	if w.Meta.Labels[labelRun] != label(c.run) || w.Meta.Annotations[specDigest] != m.digest() {
		return w, &pipeline.ConflictError{Reason: "a Job " + name + " is there that is not of this run", Hint: "look who made it: kubectl describe job " + name}
	}
	return w, nil
}

// list is the Jobs of the run and their pods, these in the order in which they
// were made.
func (c cluster) list(ctx context.Context) (map[string]*work, []pod, error) {
	var jobs struct{ Items []work }
	var pods struct{ Items []pod }
	for _, one := range []struct {
		path string
		into any
	}{{c.jobs(), &jobs}, {c.pods(), &pods}} {
		b, err := c.kubectl.ask(ctx, nil, "get", "--raw", one.path+c.selector())
		if err == nil {
			err = decode(b, one.into)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(pods.Items, func(a, b pod) int { return a.Meta.Created.Compare(b.Meta.Created) })
	all := map[string]*work{}
	for i := range jobs.Items {
		all[jobs.Items[i].Meta.Name] = &jobs.Items[i]
	}
	return all, pods.Items, nil
}

// remove has a Job removed with its pods. That takes a while; one that is not
// there is removed already.
func (c cluster) remove(ctx context.Context, name string) error {
	_, err := c.kubectl.ask(ctx, nil, "delete", "--raw", c.jobs()+"/"+url.PathEscape(name)+"?propagationPolicy=Foreground")
	if reason(err) == "NotFound" {
		return nil
	}
	return err
}

// patiently asks until there is an answer, while the cluster cannot be reached.
// passing tells whether an error is worth to ask again. It ends with ctx. What
// says that it waits is told once, and shown meanwhile.
func patiently(ctx context.Context, p *pipeline.Progress, passing func(error) bool, ask func() error) error {
	first := true
	for delay := fastest; ; delay = min(2*delay, longest) {
		err := ask()
		if err == nil && !first {
			p.Logf("the cluster answers again")
			p.File("")
		}
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		if first {
			p.Logf("%v; asking again", err)
			first = false
		}
		p.File("the cluster does not answer: " + config.Inert(err.Error()))
		if over := wait(ctx, delay); over != nil {
			return fmt.Errorf("%w; last: %w", over, err)
		}
	}
}

// wait sleeps; it ends early, with its cause, when ctx does.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errDeleted = errors.New("it is not there any more: somebody deleted it, or the cluster did")
