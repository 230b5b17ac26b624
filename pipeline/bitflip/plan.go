package bitflip

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/check"
)

// Plan tells what would become visible, or would no longer be, and which modes
// change. What is so already is refused.
func (f flip) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	p, err := f.find(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	to, err := f.wanted(p.mode)
	if err != nil {
		return pipeline.Plan{}, err
	}
	sync, err := f.settled(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	root, s, err := f.look(ctx, p)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if err := root.Close(); err != nil {
		return pipeline.Plan{}, err
	}
	if f.open && s.paths == 0 {
		return pipeline.Plan{}, &pipeline.RefusedError{Reason: p.path + " is empty: there is nothing to open", Hint: "sync the edition to production first"}
	}
	outside, err := f.ask(ctx, p.edition, s.repomd)
	if err != nil {
		return pipeline.Plan{}, err
	}
	modes := len(s.files) + len(s.dirs)
	if p.mode == to && modes == 0 && (!outside.answered() || outside.open == f.open) {
		return pipeline.Plan{}, &pipeline.RefusedError{
			Reason: fmt.Sprintf("%s of %s is %s already, at mode %s", p.name(), f.target.Name, f.word(), octal(p.mode)),
			Hint:   "there is nothing to do", Idle: true}
	}
	plan := pipeline.Plan{
		Inputs: octal(to), // as it is when this is done
		Facts: map[string]string{
			"directory": p.path, "mode before": octal(p.mode), "mode after": octal(to), "last sync": sync,
			"paths": strconv.FormatInt(s.paths, 10), "modes": s.digest(),
		},
	}
	counts := pipeline.Counts{Changed: modes}
	if p.mode != to {
		counts.Changed++
	}
	shown := modes
	if (p.mode^to)&0o1 != 0 { // nobody enters, or everybody does
		shown, plan.Parts = int(s.paths), s.sorted(f.open)
	}
	if f.open {
		counts.Added, plan.Bytes = shown, s.bytes
		plan.Title = fmt.Sprintf("Open %s of %s to everyone: %d paths become public", p.name(), f.target.Name, shown)
	} else {
		counts.Removed = shown
		plan.Title = fmt.Sprintf("Close %s of %s: %d paths are no longer public", p.name(), f.target.Name, shown)
	}
	plan.Counts = &counts
	if outside.words != "" {
		plan.Facts["from outside"] = outside.words
	}
	plan.Warnings = f.warnings(p, s, outside)
	return plan, nil
}

// word is how the directory is called when this is done.
func (f flip) word() string {
	if f.open {
		return "open"
	}
	return "closed"
}

// warnings are what an operator should know.
func (f flip) warnings(p place, s *survey, outside answer) (all []string) {
	from := uint32(f.target.Tree.Closed)
	if !f.open {
		from = uint32(f.target.Tree.Open)
	}
	if to, err := f.wanted(p.mode); err == nil && from != 0 && p.mode&0o777 != from&0o777 && p.mode != to {
		all = append(all, fmt.Sprintf("the directory's mode is %s, not %s as a tree before this has it", octal(p.mode), octal(from)))
	}
	if outside.open && f.open {
		all = append(all, "clients get it already, though it is closed here: "+outside.words)
	}
	if s.paths == 0 {
		all = append(all, "the directory is empty")
	}
	if n := len(s.lost); n > 0 {
		all = append(all, fmt.Sprintf("%d paths have world bits that opening again will not give back, such as %s", n, strings.Join(s.lost[:min(3, n)], ", ")))
	}
	if !f.open {
		all = append(all, "what was fetched meanwhile stays fetched")
	}
	return all
}

// answer is what clients get of the edition.
type answer struct {
	words  string // such as "403 Forbidden"; empty where nobody says where clients look
	status int    // 0 where nobody answered
	open   bool
}

func (a answer) answered() bool { return a.status != 0 }

// ask looks at a file of the edition from outside. That nobody answers is no
// error: clients may reach what this machine does not.
func (f flip) ask(ctx context.Context, e config.Edition, file string) (answer, error) {
	base, err := f.target.Address(e)
	if err != nil || base == "" || file == "" {
		return answer{}, err
	}
	address := strings.TrimRight(base, "/") + "/" + file
	status, err := check.Status(ctx, address)
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx)
	}
	if err != nil {
		return answer{words: "no answer"}, nil
	}
	words := strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
	return answer{config.Inert(words + " for " + address), status, status == http.StatusOK}, nil
}
