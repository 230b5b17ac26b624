package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
	"gantry/pipeline/proof"
)

// Times, which tests shorten.
var (
	fastest  = time.Second // between two looks
	slowest  = 5 * time.Second
	longest  = 30 * time.Second // between two attempts at a cluster that does not answer
	createIn = 2 * time.Minute  // until the Jobs are made
	removeIn = 3 * time.Minute  // until Jobs that were stopped are gone, with their pods
	patience = 5 * time.Minute  // that a pod has to get its image and its configuration
)

// note is what is kept of a run before a Job is made: enough to find all of them.
type note struct {
	Began   time.Time         `json:"began"`
	Words   map[string]string `json:"words"`
	At      place             `json:"at"`
	Names   map[string]string `json:"names"`             // of the Jobs, by architecture
	UIDs    map[string]string `json:"uids,omitempty"`    // of those that were made
	Created bool              `json:"created,omitempty"` // all were
}

func (n note) keep(ctx context.Context, env *pipeline.Env) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := env.Keep(ctx, string(b)); err != nil {
		return fmt.Errorf("keep which Jobs they are: %w", err)
	}
	return nil
}

// Run makes the Jobs as the plan says, and follows them to their end. Cancelling
// removes them.
func (s *step) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	limit := time.Duration(s.job.Timeout)
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer stop()
	n := note{Began: time.Now(), Words: placeholder.Words(env, s.target), Names: map[string]string{}, UIDs: map[string]string{}}
	all, err := s.manifests(n.Words)
	if err != nil {
		return nil, err
	}
	k := s.kubectl()
	if n.At, err = k.place(ctx, s.job.Namespace, all[s.arches()[0]]); err != nil {
		return nil, err
	}
	for arch, m := range all {
		n.Names[arch] = s.name(env, arch)
		if plan.Facts[under("manifest", arch)] != m.digest() || plan.Facts["cluster"] != n.At.Server || plan.Facts["namespace"] != n.At.Namespace {
			return nil, &pipeline.ConflictError{Reason: "the manifest, or the cluster that kubectl works at, is another than in the plan", Hint: "plan again"}
		}
	}
	if err := n.keep(ctx, env); err != nil {
		return nil, err
	}
	f := &follower{cluster: cluster{k, n.At, env.Run}, p: p, note: n, arches: s.arches()}
	p.Phase("make the Jobs", jobsUnit, int64(len(all)))
	if err := s.create(ctx, env, f, all); err != nil {
		return nil, err
	}
	results, err := f.follow(ctx)
	if err != nil {
		return nil, err
	}
	return s.verdict(ctx, env, n, results)
}

// create makes every Job. Where one cannot be made, those that were are removed.
func (s *step) create(ctx context.Context, env *pipeline.Env, f *follower, all map[string]*manifest) error {
	// From here on there may be Jobs: cancelling waits until it is known which.
	late, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), createIn, fmt.Errorf("the cluster did not answer within %s", createIn))
	defer stop()
	sent := false
	for _, arch := range f.arches {
		name, labels := f.note.Names[arch], map[string]string{labelRun: env.Run, labelRelease: env.Release, labelItem: s.item}
		if arch != "" {
			labels[labelArch] = arch
		}
		var w work
		err := patiently(late, f.p, passing, func() (err error) {
			if err = context.Cause(ctx); err != nil && !sent {
				return err
			}
			w, err = f.cluster.create(late, name, all[arch], labels)
			sent = sent || err == nil || passing(err)
			return err
		})
		if err != nil {
			err = fmt.Errorf("make Job %s: %w", name, err)
			if !sent {
				return err
			}
			f.p.Logf("%v", err)
			if gone := f.remove(ctx); gone != nil {
				return fmt.Errorf("%w: %w; %w", pipeline.ErrUnknown, err, gone)
			}
			return err
		}
		f.note.UIDs[arch] = w.Meta.UID
		f.say(arch, "made Job %s in %s", name, f.note.At.Namespace)
		f.p.Add(1)
	}
	f.note.Created = true
	if err := f.note.keep(late, env); err != nil {
		f.p.Logf("%v", err) // they can be found without that as well
	}
	return nil
}

// verdict is that every Job completed, and that all that proves their work is
// there.
func (s *step) verdict(ctx context.Context, env *pipeline.Env, n note, results []result) (pipeline.Evidence, error) {
	ev := pipeline.Evidence{}
	each, whole := proof.Split(s.job.Proofs)
	var errs []error
	fail := func(arch string, err error) {
		if arch != "" {
			err = fmt.Errorf("%s: %w", arch, err)
		}
		errs = append(errs, err)
	}
	for _, r := range results {
		proof.Into(ev, r.evidence, r.arch)
		if r.err != nil {
			fail(r.arch, r.err)
			continue
		}
		found, err := proof.Check(ctx, env, each, wordsOf(n.Words, r.arch), n.Began)
		proof.Into(ev, found, r.arch)
		if err != nil {
			fail(r.arch, fmt.Errorf("the Job completed, but %w", err))
		}
	}
	if len(errs) == 0 {
		found, err := proof.Check(ctx, env, whole, n.Words, n.Began)
		proof.Into(ev, found, "")
		if err != nil {
			fail("", fmt.Errorf("every Job completed, but %w", err))
		}
	}
	if err := proof.Together(errs); err != nil {
		return ev, config.Hint(err, "what failed is kept in the cluster: kubectl -n "+n.At.Namespace+" describe jobs -l "+labelRun+"="+label(env.Run))
	}
	return ev, nil
}

// followed is a follower of the Jobs that were kept of a run; nil where none was.
func (s *step) followed(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (*follower, error) {
	text, err := env.Kept(ctx)
	if err != nil || text == "" {
		return nil, err
	}
	var n note
	if err := json.Unmarshal([]byte(text), &n); err != nil || n.Began.IsZero() || len(n.Names) == 0 || !namespaceForm.MatchString(n.At.Namespace) {
		return nil, errors.New("what was kept of the Jobs is damaged")
	}
	k := s.kubectl()
	now, err := k.place(ctx, config.Name(n.At.Namespace), nil)
	if err != nil {
		return nil, err
	}
	if now.Server != n.At.Server {
		return nil, config.Hint(fmt.Errorf("the Jobs are at %s, and kubectl works at %s now", orNothing(n.At.Server), orNothing(now.Server)), "choose that context for kubectl again")
	}
	f := &follower{cluster: cluster{k, n.At, env.Run}, p: p, note: n}
	for _, arch := range s.arches() {
		if n.Names[arch] != "" {
			f.arches = append(f.arches, arch)
		}
	}
	if len(f.arches) != len(n.Names) {
		return nil, errors.New("the job is for other architectures now than when it began")
	}
	return f, nil
}

func orNothing(s string) string {
	if s == "" {
		return "a cluster without a name"
	}
	return s
}

// Look asks the cluster how the Jobs of a run are whose console died.
func (s *step) Look(ctx context.Context, env *pipeline.Env, _ pipeline.Plan) (pipeline.Seen, error) {
	f, err := s.followed(ctx, env, pipeline.NewProgress(nil))
	if err != nil || f == nil {
		return pipeline.Seen{}, err
	}
	jobs, pods, err := f.cluster.list(ctx)
	if err != nil {
		return pipeline.Seen{}, err
	}
	if len(jobs) == 0 && !f.note.Created {
		return pipeline.Seen{}, nil // the names were kept before any was made
	}
	f.pods = pods
	var alive []string
	for _, arch := range f.arches {
		if w := jobs[f.note.Names[arch]]; w != nil && w.end() == nil {
			alive = append(alive, w.Meta.Name)
		}
	}
	if len(alive) > 0 {
		return pipeline.Seen{}, config.Hint(fmt.Errorf("job %s %w", strings.Join(alive, ", "), pipeline.ErrGoesOn),
			"follow it to its end: gantry resolve "+env.Run+"; stop it meanwhile: gantry cancel "+env.Run)
	}
	ev, err := s.verdict(ctx, env, f.note, f.judge(jobs))
	if err != nil {
		return pipeline.Seen{Failed: err.Error(), Evidence: ev}, nil
	}
	return pipeline.Seen{Done: true, Evidence: ev}, nil
}

// Follow shows how the Jobs go on that a run made, and what they say from their
// beginning, until they have ended.
func (s *step) Follow(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) error {
	f, err := s.followed(ctx, env, p)
	if err != nil || f == nil {
		return err
	}
	p.Logf("what they said, from the beginning:")
	_, err = f.follow(ctx)
	return err
}
