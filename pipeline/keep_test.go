package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// elsewhere is a step whose work goes on without it; where that ended is in end.
type elsewhere struct{ end *pipeline.Seen }

func (elsewhere) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	return pipeline.Plan{}, nil
}

func (elsewhere) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, _ *pipeline.Progress) (pipeline.Evidence, error) {
	if err := env.Keep(ctx, strings.Repeat("x", 1<<20)); err == nil {
		return nil, errors.New("anything is kept")
	}
	for _, text := range []string{"first", "ticket 7"} {
		if err := env.Keep(ctx, text); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the line is down: %w", pipeline.ErrUnknown)
}

func (e elsewhere) Look(ctx context.Context, env *pipeline.Env, _ pipeline.Plan) (pipeline.Seen, error) {
	if text, err := env.Kept(ctx); err != nil || text != "ticket 7" {
		return pipeline.Seen{}, fmt.Errorf("kept is %q: %w", text, err)
	}
	if e.end == nil {
		return pipeline.Seen{}, errors.New("it goes on there")
	}
	return *e.end, nil
}

// What goes on elsewhere is unknown until it has ended, however often somebody
// looks; then it ended as was seen.
func TestUnknownUntilSeen(t *testing.T) {
	for name, tc := range map[string]struct {
		end  pipeline.Seen
		want checklist.Status
		says string
	}{
		"done":    {pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"a": "b"}}, checklist.StatusDone, ""},
		"failed":  {pipeline.Seen{Failed: "no \x1b[2Jspace"}, checklist.StatusFailed, `no \x1b[2Jspace`},
		"nothing": {pipeline.Seen{}, checklist.StatusFailed, "interrupted before it took effect"},
	} {
		t.Run(name, func(t *testing.T) {
			var end *pipeline.Seen
			m := func(*config.Release, checklist.Item) (pipeline.Step, error) { return elsewhere{end}, nil }
			e := begun(t, setup(t), pipeline.Options{Makers: pipeline.Makers{"check": m}})
			err := do(t, e, pipeline.Job{Item: "fails"})
			if !errors.Is(err, pipeline.ErrUnknown) || !strings.Contains(config.HintOf(err), "gantry resolve") {
				t.Fatalf("got %v, hint %s", err, config.HintOf(err))
			}
			it := status(t, e, "fails")
			if it.Status != checklist.StatusUnknown {
				t.Fatalf("it is %s", it.Status)
			}
			run := it.State.Run.Intent.Run
			for range 2 {
				if err := e.Resolve(t.Context(), run); err == nil || !strings.Contains(err.Error(), "goes on there") {
					t.Errorf("got %v", err)
				}
			}
			end = &tc.end
			if err := e.Resolve(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			it = status(t, e, "fails")
			if it.Status != tc.want || it.State.Run.Ended.Error != tc.says {
				t.Errorf("it is %s: %+v", it.Status, it.State.Run.Ended)
			}
		})
	}
}
