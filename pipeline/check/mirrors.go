package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
)

const (
	mirrorsAtOnce = 32
	listBytes     = 1 << 20
)

// mirrors compares what mirrors serve of an edition with what production does.
type mirrors struct {
	*config.Mirrors
	cfg    *config.Release
	target *config.Target
	fence  fence
}

// newMirrors makes a check of mirrors of the configuration (With name).
func newMirrors(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	m := mirrors{cfg: cfg}
	for i := range cfg.Mirrors {
		if of := &cfg.Mirrors[i]; string(of.Name) == item.With["name"] && (item.Target == "" || string(of.Target) == item.Target) {
			m.Mirrors = of
		}
	}
	if m.Mirrors == nil {
		return nil, config.Hint(fmt.Errorf("item %s checks mirrors %q, which the configuration does not have", item.ID, config.Inert(item.With["name"])),
			"write them under mirrors in release.yaml")
	}
	if m.target, _ = cfg.Target(string(m.Target)); m.target == nil || m.target.Tree == nil {
		return nil, fmt.Errorf("mirrors %s mirror %s, which is no tree", m.Name, m.Target)
	}
	for _, text := range m.Networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, config.Hint(fmt.Errorf("mirrors %s: %q is no network", m.Name, config.Inert(text)), "write one such as 10.0.0.0/8")
		}
		m.fence.allowed = append(m.fence.allowed, network.Masked())
	}
	return watched{observation{m.run}, m.inputs}, nil
}

// inputs is what production serves: what mirrors are compared with.
func (m mirrors) inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	served, err := env.Served(m.target)
	if err != nil {
		return "", err
	}
	return served.Pointer(ctx, "production")
}

func (m mirrors) run(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
	ours, err := m.ours(ctx, env)
	if err != nil {
		return nil, err
	}
	all, err := m.list(ctx, env, p)
	if err != nil {
		return nil, err
	}
	known, err := m.remembered(ctx, env)
	if err != nil {
		return nil, err
	}
	m.askAll(ctx, all, ours, known, p)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return m.report(all, ours, known, p)
}

// list asks for the mirrors of every repository. One that has none is an error:
// its clients would find nothing.
func (m mirrors) list(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) ([]*mirror, error) {
	p.Phase("ask for the mirror lists", pipeline.Files, int64(len(m.Repos)))
	client, done := newClient()
	defer done()
	lists := make([]listed, len(m.Repos))
	var asked errgroup.Group
	asked.SetLimit(atOnce)
	for i, repo := range m.Repos {
		asked.Go(func() error {
			p.File(repo)
			defer p.Add(1)
			address, err := config.Expand(m.List, listWords(placeholder.Words(env, string(m.Target)), repo))
			if err != nil {
				return err
			}
			body, err := get(ctx, client, address, time.Duration(m.Timeout), listBytes)
			if err == nil {
				lists[i], err = readMirrorList(body)
			}
			if err != nil {
				return config.Hint(fmt.Errorf("mirror list of %s: %w", repo, err), "is "+address+" the list, and reachable from here?")
			}
			return nil
		})
	}
	if err := asked.Wait(); err != nil {
		return nil, err
	}
	var none []string
	byBase := map[string]*mirror{}
	at := func(base string) *mirror {
		if byBase[base] == nil {
			byBase[base] = &mirror{base: base, repos: map[string]string{}}
		}
		return byBase[base]
	}
	for i, repo := range m.Repos {
		l := lists[i]
		if len(l.mirrors) == 0 {
			none = append(none, strings.TrimRight(repo+": "+strings.Join(l.remarks, ", "), ": "))
		}
		for _, address := range l.mirrors {
			base, where := split(address, repo)
			at(base).repos[repo] = where
		}
		for _, line := range l.odd {
			at(line).err = errors.New("this is no http or https address")
		}
	}
	switch {
	case len(none) > 0:
		return nil, config.Hint(fmt.Errorf("the mirror list names no mirror for %s", first(none)), "does mirror manager know the repository, the architecture and this release?")
	case len(byBase) > mirrorsMost:
		return nil, fmt.Errorf("the mirror lists name more than %d mirrors", mirrorsMost)
	}
	return slices.SortedFunc(maps.Values(byBase), func(a, b *mirror) int { return cmp.Compare(a.base, b.base) }), nil
}

// askAll asks every mirror for every repository, and tells all the while how they
// stand. What they serve adds to what is known of production's past.
func (m mirrors) askAll(ctx context.Context, all []*mirror, ours map[string]generation, known past, p *pipeline.Progress) {
	p.Phase("ask every mirror", pipeline.Files, int64(len(all)))
	client, done := m.fence.client()
	defer done()
	var stand tally
	var mu sync.Mutex // guards it and known
	var asked errgroup.Group
	asked.SetLimit(mirrorsAtOnce)
	for _, one := range all {
		asked.Go(func() error {
			if one.err == nil {
				one.ask(ctx, client, time.Duration(m.Timeout))
			}
			mu.Lock()
			for repo, g := range one.seen {
				known.learn(repo, g)
			}
			stand[judge(one, ours, known).standing]++
			p.File(stand.text(len(all)))
			mu.Unlock()
			p.Add(1)
			return nil
		})
	}
	asked.Wait() // nothing there returns an error
}

// report tells how each mirror stands, the worst first, and fails where too few
// are in sync.
func (m mirrors) report(all []*mirror, ours map[string]generation, known past, p *pipeline.Progress) (pipeline.Evidence, error) {
	verdicts := map[*mirror]verdict{}
	var stand tally
	for _, one := range all {
		verdicts[one] = judge(one, ours, known)
		stand[verdicts[one].standing]++
	}
	slices.SortStableFunc(all, func(a, b *mirror) int { return cmp.Compare(verdicts[b].standing, verdicts[a].standing) })
	var bad []string
	for _, one := range all {
		v := verdicts[one]
		p.Logf("%s", strings.TrimRight(fmt.Sprintf("%-14s  %s  %s", standings[v.standing], one.base, v.words), " "))
		if v.standing != inSync {
			bad = append(bad, one.base+" "+standings[v.standing]+" ("+v.words+")")
		}
	}
	p.Logf("%s", stand.text(len(all)))
	ev := pipeline.Evidence{"mirrors": strconv.Itoa(len(all)), "percent in sync": strconv.Itoa(stand[inSync] * 100 / len(all)), "repositories": strconv.Itoa(len(ours))}
	for s, n := range stand {
		if n > 0 || standing(s) == inSync {
			ev[standings[s]] = strconv.Itoa(n)
		}
	}
	if stand[inSync]*100 < m.Percent*len(all) {
		return ev, config.Hint(fmt.Errorf("%s, wanted are %d%%: %s", stand.text(len(all)), m.Percent, first(bad)),
			"wait until they have synced, and check again; the run's log has every mirror")
	}
	return ev, nil
}
