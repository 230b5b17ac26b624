package rpm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// verify reads what a pointer leads to as a client does, from outside.
type verify struct {
	trade
	pointer string
	via     string // http, files or empty
	sample  int    // packages that are read whole; negative for all
}

func newVerify(t trade) (*verify, error) {
	v := &verify{trade: t, pointer: t.item.With["pointer"], via: t.item.With["via"], sample: -1}
	if v.pointer == "" {
		v.pointer = production
	}
	if v.pointer != staging && v.pointer != production {
		return nil, fmt.Errorf("verify: %q is no pointer: use staging or production", config.Inert(v.pointer))
	}
	if v.via != "" && v.via != "http" && v.via != "files" {
		return nil, fmt.Errorf("verify: %q is no way to read: use http or files", config.Inert(v.via))
	}
	switch packages := t.item.With["packages"]; {
	case packages == "" || packages == "all":
	default:
		number, ok := strings.CutPrefix(packages, "sample:")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 {
			return nil, fmt.Errorf("verify: %q are no packages: use all or sample:N", config.Inert(packages))
		}
		v.sample = n
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
	if v.sample >= 0 {
		packages = count(v.sample, "package", "packages")
	}
	return pipeline.Plan{
		Title:  fmt.Sprintf("Verify %s of %s as a client: signature, metadata and %s; nothing changes", v.pointer, v.target.Name, packages),
		Facts:  map[string]string{"snapshot": s.ID, "manifest": s.sum, "packages": strconv.Itoa(len(s.packages()))},
		Inputs: inputsOf(w.at(v.pointer), s.sum),
	}, nil
}

// Inputs is a digest of the snapshot that the pointer names and its manifest.
func (v *verify) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	w, s, err := v.named(ctx, env)
	if err != nil {
		return "", err
	}
	return inputsOf(w.at(v.pointer), s.sum), nil
}

func inputsOf(id, manifest string) string { return digest([]byte(id + " " + manifest)) }

// named reads the manifest of the snapshot that the pointer names.
func (v *verify) named(ctx context.Context, env *pipeline.Env) (*world, *snapshot, error) {
	w, err := v.look(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	id := w.at(v.pointer)
	if id == "" {
		return nil, nil, config.Hint(fmt.Errorf("%s of %s serves nothing", v.pointer, v.target.Name), "nothing is there to verify; build, stage and promote a snapshot first")
	}
	s, err := w.snapshot(id)
	return w, s, err
}

// Run hashes every file of the snapshot, unless a sample is asked for, and reads
// it as a client does.
func (v *verify) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, s, err := v.named(ctx, env)
	if err != nil {
		return nil, err
	}
	if inputsOf(s.ID, s.sum) != plan.Inputs {
		return nil, config.Hint(fmt.Errorf("%s of %s moved since the plan was made", v.pointer, v.target.Name), "verify again")
	}
	if v.sample < 0 {
		p.Phase("hash every file", pipeline.Bytes, total(s.Files))
		if err := w.served.Check(ctx, s.ID, true, p.Add); err != nil {
			return nil, err
		}
	}
	return w.verify(ctx, s, v.pointer, v.via, v.sample, p)
}

// total is the size of files in bytes.
func total(files []storage.File) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// verify reads a snapshot as a client does that follows the pointer, and tells
// what it saw.
func (w *world) verify(ctx context.Context, s *snapshot, pointer, via string, sample int, p *pipeline.Progress) (pipeline.Evidence, error) {
	public, err := w.publicKey()
	if err != nil {
		return nil, err
	}
	out, err := w.outlet(w.served, s.ID, via)
	if err != nil {
		return nil, err
	}
	defer out.close()
	c := client{outlet: out, want: s, prefix: w.prefix(w.served, s.ID), public: public, at: w.env.Now(), sample: sample, p: p}
	found, err := c.read(ctx, pointer)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", pointer, w.target.Name, err)
	}
	p.Logf("read as a client: %s, revision %d, %d packages, %d of them whole", c.prefix, s.Revision, found.packages, found.whole)
	return pipeline.Evidence{
		"snapshot": s.ID,
		"address":  c.prefix,
		"revision": strconv.FormatInt(s.Revision, 10),
		"packages": strconv.Itoa(found.packages),
		"read":     strconv.Itoa(found.whole),
		"bytes":    strconv.FormatInt(found.bytes, 10),
		"key":      public.Fingerprint(),
	}, nil
}

// afterwards is how many packages are read whole after a flip. All were compared
// with the manifest before it; this finds what is between clients and the files.
const afterwards = 8

// patience is how long the look after a flip may take.
const patience = 10 * time.Minute

// outside looks after a flip at what clients get: on the files, and over HTTP
// where the target has such an address. Where nothing answers there from this
// machine, that is told, for the item that verifies over HTTP to judge.
func (f *flip) outside(ctx context.Context, w *world, to *snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ev, err := w.verify(ctx, to, f.pointer, "files", afterwards, p)
	if err != nil || !f.online() {
		return ev, err
	}
	seen, err := w.verify(ctx, to, f.pointer, "http", afterwards, p)
	if errors.Is(err, errUnreachable) {
		p.Logf("not seen over HTTP from here: %v", err)
		ev["http"] = "not seen from here: " + config.Inert(err.Error())
		return ev, nil
	}
	if err == nil {
		ev["http"] = seen["address"]
	}
	return ev, err
}
