package repository

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// verify reads what a pointer leads to as a client does, from outside.
type verify struct {
	step
	Reading
}

func newVerify(t step) (*verify, error) {
	v := &verify{t, Reading{Pointer: t.item.With["pointer"], Via: t.item.With["via"], Sample: -1}}
	if v.Pointer == "" {
		v.Pointer = Production
	}
	if v.Pointer != Staging && v.Pointer != Production {
		return nil, fmt.Errorf("verify: %q is no pointer: use staging or production", config.Inert(v.Pointer))
	}
	if v.Via != "" && v.Via != "http" && v.Via != "files" {
		return nil, fmt.Errorf("verify: %q is no way to read: use http or files", config.Inert(v.Via))
	}
	switch packages := t.item.With["packages"]; {
	case packages == "" || packages == "all":
	default:
		number, ok := strings.CutPrefix(packages, "sample:")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 {
			return nil, fmt.Errorf("verify: %q are no packages: use all or sample:N", config.Inert(packages))
		}
		v.Sample = n
	}
	return v, nil
}

// Plan says what would be read.
func (v *verify) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	w, s, err := v.named(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	packages := "every package"
	if v.Sample >= 0 {
		packages = Count(v.Sample, "package", "packages")
	}
	return pipeline.Plan{
		Title:  fmt.Sprintf("Verify %s of %s as a client: signature, metadata and %s; nothing changes", v.Pointer, v.target.Name, packages),
		Facts:  map[string]string{"snapshot": s.ID, "manifest": s.Sum, "packages": strconv.Itoa(len(s.Packages()))},
		Inputs: inputsOf(w.at(v.Pointer), s.Sum),
	}, nil
}

// Inputs is a digest of the snapshot that the pointer names and its manifest.
func (v *verify) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	w, s, err := v.named(ctx, env)
	if err != nil {
		return "", err
	}
	return inputsOf(w.at(v.Pointer), s.Sum), nil
}

func inputsOf(id, manifest string) string { return Digest(id, manifest) }

// named reads the manifest of the snapshot that the pointer names.
func (v *verify) named(ctx context.Context, env *pipeline.Env) (*World, *Snapshot, error) {
	w, err := v.look(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	id := w.at(v.Pointer)
	if id == "" {
		return nil, nil, config.Hint(fmt.Errorf("%s of %s serves nothing", v.Pointer, v.target.Name), "nothing is there to verify; build, stage and promote a snapshot first")
	}
	s, err := w.Snapshot(ctx, id)
	return w, s, err
}

// Run hashes every file of the snapshot, unless a sample is asked for, and reads
// it as a client does.
func (v *verify) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, s, err := v.named(ctx, env)
	if err != nil {
		return nil, err
	}
	if inputsOf(s.ID, s.Sum) != plan.Inputs {
		return nil, config.Hint(fmt.Errorf("%s of %s moved since the plan was made", v.Pointer, v.target.Name), "verify again")
	}
	if v.Sample < 0 {
		p.Phase("hash every file", pipeline.Bytes, Total(s.Files))
		if err := w.Served.Check(ctx, s.ID, true, p.Add); err != nil {
			return nil, err
		}
	}
	return v.read(ctx, w, s, v.Reading, p)
}

// read reads a snapshot as a client does.
func (t step) read(ctx context.Context, w *World, s *Snapshot, how Reading, p *pipeline.Progress) (pipeline.Evidence, error) {
	ev, err := t.trade.Read(ctx, w, s, how, p)
	if err != nil {
		return ev, fmt.Errorf("%s of %s: %w", how.Pointer, t.target.Name, err)
	}
	return ev, nil
}

// afterwards is how many packages are read whole after a flip. All were compared
// with the manifest before it; this finds what is between clients and the files.
const afterwards = 8

// patience is how long the look after a flip may take.
const patience = 10 * time.Minute

// outside looks after a flip at what clients get: on the files, and over HTTP
// where the target has such an address. Where nothing answers there from this
// machine, that is told, for the item that verifies over HTTP to judge.
func (f *flip) outside(ctx context.Context, w *World, to *Snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ev, err := f.read(ctx, w, to, Reading{f.pointer, "files", afterwards}, p)
	if err != nil || !Online(f.target) {
		return ev, err
	}
	seen, err := f.read(ctx, w, to, Reading{f.pointer, "http", afterwards}, p)
	if errors.Is(err, ErrUnreachable) {
		p.Logf("not seen over HTTP from here: %v", err)
		ev["http"] = "not seen from here: " + config.Inert(err.Error())
		return ev, nil
	}
	if err == nil {
		ev["http"] = seen["address"]
	}
	return ev, err
}
