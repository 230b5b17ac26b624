package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"sync"
	"sync/atomic"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
	"gantry/storage/tunnel"
)

// Options is what an engine is opened with.
type Options struct {
	Config   *config.Release
	Makers   Makers
	Trades   map[config.Format]Trade
	Actor    string // who acts; empty is the login name
	Host     string // on which machine; empty is its name
	Release  string // id of the release to work on; empty is the only open one
	ReadOnly bool
	Now      func() time.Time // nil is time.Now
}

// Engine joins the journal, which carries bytes, with the checklist, which
// gives them meaning, and runs the steps of the trades. Its methods may be
// called from many goroutines.
type Engine struct {
	o       Options
	tunnels *tunnel.Set
	state   storage.Store
	journal *storage.Journal
	locks   storage.Locker // of targets and runs
	local   string         // directory of the logs of runs
	staging *storage.Staging
	root    storage.Store             // of all that is served
	served  map[string]storage.Served // by target
	opened  []func() error            // what to close
	places  places                    // that steps asked for

	// The locks, in the order in which they are taken.
	looking  sync.Mutex // held over a look at the world: the later one is what is shown
	writing  sync.Mutex // held over read-decide-append
	painting sync.Mutex // held while the view is made, for the same reason
	watching sync.Mutex // held over a look at the watched probes, and only tried
	mu       sync.Mutex // held for moments; the fields below

	events   []checklist.Event
	fold     checklist.State
	seen     observation
	anew     bool // what items rest on may have changed, by a run of ours
	active   map[string]*Active
	groups   map[string]*ActiveGroup
	watched  map[string]Watched // probes, by name
	draining bool

	idle    bool                   // no run was alive when the view was made; under painting
	runs    sync.WaitGroup         // from before the intent of a run of ours until it is over
	choice  atomic.Pointer[string] // release that Choose named
	view    atomic.Pointer[View]
	changed chan struct{}
}

// Open opens the state of a configuration and reads its journal. What is missing
// is made, unless the console is read-only: that one writes nothing at all.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Actor == "" {
		o.Actor = login()
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // a machine without a name is still a machine
	}
	o.Actor, o.Host = config.Inert(o.Actor), config.Inert(o.Host)
	e := &Engine{
		o:       o,
		served:  map[string]storage.Served{},
		active:  map[string]*Active{},
		groups:  map[string]*ActiveGroup{},
		watched: map[string]Watched{},
		changed: make(chan struct{}, 1),
	}
	if err := e.open(ctx); err != nil {
		e.release()
		return nil, err
	}
	if err := e.Refresh(ctx); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// login is the name of whoever runs the console; sudo keeps it in SUDO_USER.
func login() string {
	for _, name := range []string{os.Getenv("GANTRY_ACTOR"), os.Getenv("SUDO_USER")} {
		if name != "" {
			return name
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + fmt.Sprint(os.Getuid())
}

// Close lets no new run start, waits for those of this console and lets go of
// the stores. The last view stays.
func (e *Engine) Close() error {
	e.Drain()
	e.runs.Wait()
	return e.release()
}

// Drain lets no new run start from now on, not even one that was asked for and
// has no intent yet; those that run go on.
func (e *Engine) Drain() {
	e.mu.Lock()
	e.draining = true
	e.mu.Unlock()
}

// Changed is signalled when there is something new to show; signals that come
// together are one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

func (e *Engine) signal() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// env is what a step of a release may use; run is empty outside one.
func (e *Engine) env(release, run string) *Env {
	version, kind := "", ""
	e.mu.Lock()
	if r := e.fold.Release(release); r != nil {
		version, kind = r.Version, r.Kind
	}
	e.mu.Unlock()
	began := time.Time{}
	if run != "" {
		began = e.o.Now()
	}
	return &Env{
		Config:  e.o.Config,
		Staging: e.staging,
		Root:    e.root,
		Now:     e.o.Now,
		Release: release,
		Version: version,
		Kind:    kind,
		Began:   began,
		Run:     run,
		Keep:    func(ctx context.Context, text string) error { return e.keep(ctx, run, text) },
		Kept:    func(ctx context.Context) (string, error) { return e.keptBy(ctx, run) },
		holds:   func(ctx context.Context) error { return e.holds(ctx, run) },
		Dial:    e.dial,
		Area:    e.place,
		Far:     e.tunnels.Run,
		Reach:   e.reach,
		Targets: func() []*config.Target { return e.about(release) },
		Open:    e.openViews,
		Busy:    func() []string { return e.busyTargets(run) },
		Served: func(t *config.Target) (storage.Served, error) {
			s, ok := e.served[string(t.Name)]
			if !ok {
				return nil, fmt.Errorf("no target %s in the configuration", t.Name)
			}
			return s, nil
		},
		History: func(target string) checklist.Pointers {
			e.mu.Lock()
			defer e.mu.Unlock()
			if p, ok := e.fold.Clone().Targets[target]; ok {
				return *p
			}
			return checklist.Pointers{Current: map[string]string{}}
		},
	}
}
