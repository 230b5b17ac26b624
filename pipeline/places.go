package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"gantry/config"
	"gantry/storage"
	"gantry/storage/tunnel"
)

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// Trade is what the engine knows of a format besides the steps of its maker.
// Every field may be nil.
type Trade struct {
	// Tree is the directory of a target's snapshots, below its path.
	Tree func(*config.Target) string
	// Face is what clients look at first, of targets that are trees.
	Face func(*config.Target) storage.Face
	// Open opens where a target is served, of targets that are no trees.
	Open func(context.Context, Site, *config.Target) (storage.Served, error)
	// Clients gives the files for clients of a target.
	Clients Clients
	// Arch reads the architecture of a file that is to be staged, as the staging
	// area names it; empty where the file goes with every one.
	Arch func(file *os.File) (string, error)
	// Expires is when clients stop to accept a snapshot, zero where they never do.
	Expires func(ctx context.Context, s storage.Served, id string) (time.Time, error)
	// Compare orders versions of packages: negative where a is older.
	Compare func(a, b string) int
	// Review compares what staging and production of a target serve, package by
	// package.
	Review func(ctx context.Context, env *Env, t *config.Target) (*Review, error)
}

// Site is what the place where a target is served is opened with.
type Site struct {
	Config   *config.Release
	State    storage.Store                 // for records beside the journal
	Dial     func(tunnel config.Name) Dial // net's own for no name
	ReadOnly bool
	// Area opens a place of the configuration: a directory, or a prefix of a store.
	// The engine closes it.
	Area func(ctx context.Context, what, place string) (storage.Store, error)
}

// area opens a place of the configuration: a directory, or a prefix of a store.
func (e *Engine) area(ctx context.Context, what, place string) (storage.Store, error) {
	cfg := e.o.Config
	s, prefix, remote := cfg.StoreOf(place)
	var opened storage.Store
	var err error
	switch {
	case remote:
		opened, err = e.bucket(ctx, s, prefix)
	case e.o.ReadOnly:
		opened, err = storage.ViewDir(cfg.Path(place))
	default:
		opened, err = storage.OpenDir(cfg.Path(place))
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s: %w", what, err)
	}
	e.opened = append(e.opened, opened.(interface{ Close() error }).Close)
	return opened, nil
}

// places are those that steps asked for, each opened once.
type places struct {
	mu  sync.Mutex
	all map[string]storage.Store
}

// place is area for steps, which ask while others do.
func (e *Engine) place(ctx context.Context, what, at string) (storage.Store, error) {
	e.places.mu.Lock()
	defer e.places.mu.Unlock()
	if s := e.places.all[at]; s != nil {
		return s, nil
	}
	s, err := e.area(ctx, what, at)
	if err != nil {
		return nil, err
	}
	if e.places.all == nil {
		e.places.all = map[string]storage.Store{}
	}
	e.places.all[at] = s
	return s, nil
}

// bucket opens a prefix of an S3-compatible server.
func (e *Engine) bucket(ctx context.Context, s *config.Store, prefix string) (*storage.S3, error) {
	o := storage.S3Options{
		Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: prefix,
		PathStyle: s.PathStyle, Checksums: string(s.Checksums),
	}
	if s.Tunnel != "" {
		o.Dial = e.dial(s.Tunnel)
	}
	for _, c := range []struct {
		from config.Secret
		into *string
	}{{s.AccessKey, &o.AccessKey}, {s.SecretKey, &o.SecretKey}, {s.SessionToken, &o.SessionToken}} {
		if c.from.IsZero() {
			continue
		}
		b, err := c.from.Reveal(e.o.Config.Dir())
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", s.Name, err)
		}
		*c.into = string(b)
	}
	return storage.OpenS3(ctx, o)
}

// dial is how to reach what is behind a tunnel.
func (e *Engine) dial(name config.Name) Dial {
	if name == "" {
		return (&net.Dialer{}).DialContext
	}
	return e.tunnels.Dial(name)
}

// outlet opens where a target is served.
func (e *Engine) outlet(ctx context.Context, t *config.Target) (storage.Served, error) {
	trade, cfg := e.o.Trades[t.Format], e.o.Config
	if trade.Open != nil {
		return trade.Open(ctx, Site{Config: cfg, State: e.state, Dial: e.dial, ReadOnly: e.o.ReadOnly, Area: e.area}, t)
	}
	at := t.Path
	if trade.Tree != nil {
		at = path.Join(at, trade.Tree(t))
	}
	var face storage.Face
	if trade.Face != nil {
		face = trade.Face(t)
	}
	if _, _, remote := cfg.StoreOf(cfg.Served); remote {
		return storage.OpenStoreTree(e.root, at, face)
	}
	dir := filepath.Join(cfg.Path(cfg.Served), filepath.FromSlash(at))
	if e.o.ReadOnly {
		return storage.ViewServed(dir, face)
	}
	return storage.OpenServed(dir, face)
}

// open opens what the configuration names, and the journal.
func (e *Engine) open(ctx context.Context) error {
	cfg := e.o.Config
	var err error
	if e.tunnels, err = tunnel.NewSet(cfg); err != nil {
		return err
	}
	e.opened = append(e.opened, e.tunnels.Close)
	if e.state, err = e.area(ctx, "state", cfg.State); err != nil {
		return err
	}
	if err := e.keepRuns(); err != nil {
		return err
	}
	staged, err := e.area(ctx, "staging area", cfg.Staging)
	if err != nil {
		return err
	}
	e.staging = storage.NewStaging(staged)
	if e.root, err = e.area(ctx, "served tree", cfg.Served); err != nil {
		return err
	}
	for i := range cfg.Targets {
		t := &cfg.Targets[i]
		s, err := e.outlet(ctx, t)
		if err != nil {
			return fmt.Errorf("open where %s is served: %w", t.Name, err)
		}
		e.served[string(t.Name)] = s
		e.opened = append(e.opened, s.Close)
	}
	if e.journal, err = storage.OpenJournal(ctx, e.state, "journal"); err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	return nil
}

// keepRuns chooses where runs keep their logs and how others know that they
// live: beside the journal in a directory, where the kernel knows it; on a store
// by leases, and logs on this machine until the run is over.
func (e *Engine) keepRuns() error {
	if d, ok := e.state.(*storage.Dir); ok {
		e.locks, e.local = d, filepath.Join(d.Path(), "runs")
		return nil
	}
	e.locks = storage.NewLeases(e.state, e.o.Actor+" on "+e.o.Host)
	cache, err := os.UserCacheDir()
	if err != nil {
		return config.Hint(fmt.Errorf("find a place for the logs of runs: %w", err), "set HOME or XDG_CACHE_HOME")
	}
	e.local = filepath.Join(cache, "gantry", short(e.o.Config.State, e.o.Config.Dir()), "runs")
	if e.o.ReadOnly {
		return nil // it has none of its own
	}
	if err := os.MkdirAll(e.local, 0o700); err != nil {
		return fmt.Errorf("make a place for the logs of runs: %w", err)
	}
	return nil
}

// release lets go of what open opened, the latest first.
func (e *Engine) release() error {
	var errs []error
	for i := len(e.opened) - 1; i >= 0; i-- {
		errs = append(errs, e.opened[i]())
	}
	return errors.Join(errs...)
}

// Reached is how a place of the configuration answered.
type Reached struct {
	Name    string // state, staging area, served tree
	Address string
	Err     error // nil where it is there
}

// reach looks whether the places of the configuration are there.
func (e *Engine) reach(ctx context.Context) []Reached {
	var all []Reached
	for _, p := range []struct {
		name  string
		store storage.Store
	}{{"state", e.state}, {"staging area", e.staging.Store()}, {"served tree", e.root}} {
		r := Reached{Name: p.name}
		switch s := p.store.(type) {
		case *storage.Dir:
			r.Address = s.Path()
			_, r.Err = os.Stat(s.Path())
		case *storage.S3:
			r.Address, r.Err = s.Address(), s.Reachable(ctx)
		}
		all = append(all, r)
	}
	return all
}
