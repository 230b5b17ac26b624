package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
)

// Group is the plans of several targets under one confirmation: verified
// together, then run one after another.
type Group struct {
	Verb  string   `json:"verb"`
	Name  string   `json:"name"` // what the phrase begins with
	Title string   `json:"title"`
	Plans []Plan   `json:"plans"`          // in the order they run
	Left  []string `json:"left,omitempty"` // targets that need no move, each with the reason
}

// Digest is the SHA-256 of the plans' digests in lower-case hex.
func (g Group) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, g.Verb, g.Name)
	for _, p := range g.Plans {
		fmt.Fprintln(h, p.Digest())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Phrase is what an operator types to confirm the group, as Plan.Phrase of all
// its plans together: "core +40 ~3 -2 7f3a9c".
func (g Group) Phrase() string {
	var sum Counts
	var alarms []Alarm
	for _, p := range g.Plans {
		n := p.Count()
		sum = Counts{sum.Added + n.Added, sum.Changed + n.Changed, sum.Removed + n.Removed}
		for _, a := range p.Alarms {
			alarms = append(alarms, Alarm{Word: strings.ToLower(p.Target) + "-" + a.Word, Text: a.Text})
		}
	}
	return phrase(g.Name, sum, alarms, g.Digest())
}

// PlanGroup plans a verb for several targets. Those for which nothing is to be
// done are left out; where a plan cannot be made, there is no group.
func (e *Engine) PlanGroup(ctx context.Context, jobs []Job) (Group, error) {
	if len(jobs) == 0 {
		return Group{}, &RefusedError{Reason: "no target is named", Hint: "targets are " + e.targetNames()}
	}
	g := Group{Verb: jobs[0].Verb, Name: e.groupName(jobs)}
	for _, job := range jobs {
		if job.Verb != g.Verb || slices.ContainsFunc(g.Plans, func(p Plan) bool { return p.Target == job.Target }) {
			return Group{}, fmt.Errorf("a group is of one verb, and of each target once: %s %s", job.Verb, config.Inert(job.Target))
		}
		plan, err := e.Plan(ctx, job)
		var idle *RefusedError
		if errors.As(err, &idle) && idle.Idle {
			g.Left = append(g.Left, job.Target+": "+idle.Reason)
			continue
		}
		if err != nil {
			return Group{}, config.Hint(fmt.Errorf("%s: %w", job.Target, err), config.HintOf(err))
		}
		if plan.Move == nil || plan.Move.Pointer != "production" {
			return Group{}, fmt.Errorf("a group moves what production serves, which %s does not", config.Inert(job.Verb))
		}
		g.Plans = append(g.Plans, plan)
	}
	if len(g.Plans) == 0 {
		return Group{}, &RefusedError{Reason: strings.Join(g.Left, "; "), Idle: true}
	}
	names := make([]string, len(g.Plans))
	for i, p := range g.Plans {
		names[i] = p.Target
	}
	verb := strings.ToUpper(g.Verb[:1]) + g.Verb[1:]
	if g.Title = verb + " " + names[0]; len(names) > 1 {
		g.Title = fmt.Sprintf("%s %d targets, one after another: %s", verb, len(names), strings.Join(names, ", "))
	}
	return g, nil
}

// groupName is the component that all targets of the jobs are of, else the
// product.
func (e *Engine) groupName(jobs []Job) string {
	name := ""
	for _, job := range jobs {
		t, ok := e.o.Config.Target(job.Target)
		if !ok || name != "" && name != string(t.Component) {
			return string(e.o.Config.Product)
		}
		name = string(t.Component)
	}
	return name
}
