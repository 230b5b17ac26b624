package torrent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// seeds looks whether the trackers know somebody who has each torrent whole.
type seeds struct{ subject }

// Plan is empty: asking changes nothing.
func (s seeds) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	return pipeline.Plan{}, nil
}

// patience is how long one tracker may take for its answers.
const patience = 15 * time.Second

// Run asks every tracker that speaks UDP for all torrents at a time. One tracker
// that knows a seed of a torrent is enough.
func (s seeds) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	all, err := s.watched(env.Version)
	if err != nil {
		return nil, err
	}
	hashes := make([][20]byte, len(all))
	for i, t := range all {
		hashes[i] = t.hash()
	}
	best := make([]uint32, len(all))
	var failed []string
	p.Phase("ask trackers", pipeline.Files, int64(len(s.t.Trackers)))
	for _, tracker := range s.t.Trackers {
		p.File(tracker)
		found, err := ask(ctx, tracker, hashes)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			failed = append(failed, config.Inert(err.Error()))
			p.Logf("%s", err)
		}
		for i, n := range found {
			best[i] = max(best[i], n)
		}
		p.Add(1)
	}
	ev := pipeline.Evidence{}
	var lacking []string
	for i, t := range all {
		ev[t.info.Name] = fmt.Sprintf("%d seeds", best[i])
		if p.Logf("%s: %d seeds", t.info.Name, best[i]); best[i] == 0 {
			lacking = append(lacking, t.info.Name)
		}
	}
	if len(failed) == len(s.t.Trackers) {
		return ev, config.Hint(fmt.Errorf("no tracker answers: %s", strings.Join(failed, "; ")), "try again later; UDP may be closed from here")
	}
	if len(lacking) > 0 {
		return ev, config.Hint(fmt.Errorf("%d of %d torrents have no seed: %s", len(lacking), len(all), strings.Join(lacking[:min(len(lacking), 5)], ", ")), "look at the seed box")
	}
	return ev, nil
}

// watched are the torrents of a version that are published, of every image.
func (s seeds) watched(version string) ([]*torrent, error) {
	images, v, err := s.contents("production", version)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	dir, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var all []*torrent
	for _, c := range images {
		t, err := load(dir, c.name+".torrent")
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, config.Hint(fmt.Errorf("%s is not published", c.name), "publish the torrents first")
		}
		if !t.of(c) {
			return nil, config.Hint(fmt.Errorf("what is published as %s is not of what production serves", c.name), "make the torrents again, and publish them")
		}
		all = append(all, t)
	}
	return all, nil
}

// ask asks one tracker for the seeds of torrents.
func ask(ctx context.Context, tracker string, hashes [][20]byte) ([]uint32, error) {
	u, err := url.Parse(tracker)
	if err != nil || u.Scheme != "udp" || u.Port() == "" {
		return nil, fmt.Errorf("%s cannot be asked: it is no udp://HOST:PORT", tracker)
	}
	ctx, enough := context.WithTimeout(ctx, patience)
	defer enough()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", u.Host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	found, err := scrape(ctx, conn, hashes)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", u.Host, err)
	}
	return found, nil
}
