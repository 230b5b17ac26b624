package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
	"gantry/pipeline/proof"
)

const calls pipeline.Unit = "calls"

// note is what is kept of a run, to tell later how it ended.
type note struct {
	Began time.Time         `json:"began"` // by the clock of the console's machine
	Words map[string]string `json:"words"`
}

// result is how a call ended.
type result struct {
	name   string
	status string // in words, empty where it did not start
	err    error
}

// Run runs the program, its output line by line into the log; for several
// architectures all at a time, and each to its end. Cancelling stops them with
// all that they started.
func (s *step) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	n := note{Began: time.Now(), Words: placeholder.Words(env, s.target)}
	all, err := s.calls(n.Words)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	if err := env.Keep(ctx, string(b)); err != nil {
		return nil, err
	}
	p.Phase("run "+string(s.cmd.Name), calls, int64(len(s.cmd.Arch)))
	results := s.each(all, p, func(c *Call) result {
		status, err := c.Run(ctx, env)
		p.Add(1)
		return result{c.Name, status, err}
	})
	return s.verdict(ctx, env, n, results)
}

// each does something for every call, all at a time.
func (s *step) each(all []*Call, p *pipeline.Progress, do func(*Call) result) []result {
	results := make([]result, len(all))
	var running sync.WaitGroup
	for i, c := range all {
		c.Say = p.Logf
		if c.Name != "" {
			c.Say = func(format string, args ...any) { p.Logf("[%s] %s", c.Name, fmt.Sprintf(format, args...)) }
		}
		running.Go(func() { results[i] = do(c) })
	}
	running.Wait()
	return results
}

// verdict is that every call ended well, and that all that proves it is there.
func (s *step) verdict(ctx context.Context, env *pipeline.Env, n note, results []result) (pipeline.Evidence, error) {
	ev := pipeline.Evidence{}
	each, whole := proof.Split(s.cmd.Proofs)
	var errs []error
	fail := func(name string, err error) {
		if name != "" {
			err = fmt.Errorf("%s: %w", name, err)
		}
		errs = append(errs, err)
	}
	for _, r := range results {
		if r.status != "" {
			proof.Into(ev, pipeline.Evidence{"exit": r.status}, r.name)
		}
		if r.err != nil {
			fail(r.name, r.err)
			continue
		}
		words := n.Words
		if r.name != "" {
			words = with(words, "arch", r.name)
		}
		found, err := proof.Check(ctx, env, each, words, n.Began)
		proof.Into(ev, found, r.name)
		if err != nil {
			fail(r.name, fmt.Errorf("%s ended well, but %w", s.cmd.Name, err))
		}
	}
	if len(errs) == 0 {
		found, err := proof.Check(ctx, env, whole, n.Words, n.Began)
		proof.Into(ev, found, "")
		if err != nil {
			fail("", fmt.Errorf("%s ended well, but %w", s.cmd.Name, err))
		}
	}
	return ev, proof.Together(errs)
}

// with is words and one more.
func with(words map[string]string, name, word string) map[string]string {
	all := map[string]string{name: word}
	for n, w := range words {
		if n != name {
			all[n] = w
		}
	}
	return all
}

// kept is what was kept of a run, and its calls; none where none began.
func (s *step) kept(ctx context.Context, env *pipeline.Env) (note, []*Call, error) {
	var n note
	text, err := env.Kept(ctx)
	if err != nil || text == "" {
		return n, nil, err
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil || n.Began.IsZero() {
		return n, nil, errors.New("what was kept of the run is damaged")
	}
	all, err := s.calls(n.Words)
	return n, all, err
}

// Look tells how a run ended whose console died. What ran here nobody saw the end
// of; what runs at the far end of a tunnel is asked for there.
func (s *step) Look(ctx context.Context, env *pipeline.Env, _ pipeline.Plan) (pipeline.Seen, error) {
	n, all, err := s.kept(ctx, env)
	if err != nil || len(all) == 0 {
		return pipeline.Seen{}, err
	}
	if s.cmd.On == "" {
		return pipeline.Seen{Failed: fmt.Sprintf("the console ended while %s ran here, and nobody saw how that went on: what it started may still run, and may have done its work", s.cmd.Name)}, nil
	}
	results := make([]result, len(all))
	var alive []string
	absent := 0
	for i, c := range all {
		st, err := c.far(env).ask(ctx, nil)
		if err != nil {
			return pipeline.Seen{}, err
		}
		status, err := st.end(string(s.cmd.Name))
		results[i] = result{c.Name, status, err}
		switch st.word {
		case runs, starting:
			alive = append(alive, strings.TrimSpace(string(s.cmd.Name)+" "+c.Name))
		case absentThere:
			absent++
		}
	}
	if len(alive) > 0 {
		return pipeline.Seen{}, config.Hint(fmt.Errorf("%s at the far end of %s: it %w", strings.Join(alive, ", "), s.cmd.On, pipeline.ErrGoesOn),
			"follow it to its end: gantry resolve "+env.Run+"; stop it meanwhile: gantry cancel "+env.Run)
	}
	if absent == len(all) {
		return pipeline.Seen{}, nil
	}
	ev, err := s.verdict(ctx, env, n, results)
	if err != nil {
		return pipeline.Seen{Failed: err.Error(), Evidence: ev}, nil
	}
	return pipeline.Seen{Done: true, Evidence: ev}, nil
}

// Follow shows what a program at the far end of a tunnel says, from its beginning,
// until it has ended there.
func (s *step) Follow(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) error {
	_, all, err := s.kept(ctx, env)
	if err != nil || s.cmd.On == "" {
		return err
	}
	p.Phase("run "+string(s.cmd.Name), calls, int64(len(s.cmd.Arch)))
	p.Logf("what it said, from its beginning:")
	results := s.each(all, p, func(c *Call) result {
		_, err := c.far(env).follow(ctx, c.out(mask{}))
		p.Add(1)
		return result{name: c.Name, err: err}
	})
	results = slices.DeleteFunc(results, func(r result) bool { return r.err == nil })
	if len(results) > 0 {
		return results[0].err
	}
	return nil
}
