package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Options is what an engine is opened with.
type Options struct {
	Config   *config.Release
	Makers   Makers
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
	state   *storage.Dir
	dir     string // of the state
	journal *storage.Journal
	staging *storage.Staging
	served  map[string]*storage.Served // by target

	writing sync.Mutex // held over read-decide-append

	mu       sync.Mutex
	events   []checklist.Event
	fold     checklist.State
	seen     observation
	active   map[string]*Active
	trouble  []string
	draining bool

	view    atomic.Pointer[View]
	changed chan struct{}
}

// Open opens the state of a configuration and reads its journal.
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
		dir:     o.Config.Path(o.Config.State),
		served:  map[string]*storage.Served{},
		active:  map[string]*Active{},
		changed: make(chan struct{}, 1),
	}
	var err error
	if e.state, err = storage.OpenDir(e.dir); err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	staged, err := storage.OpenDir(o.Config.Path(o.Config.Staging))
	if err != nil {
		return nil, fmt.Errorf("open the staging area: %w", err)
	}
	e.staging = storage.NewStaging(staged)
	for i := range o.Config.Targets {
		t := &o.Config.Targets[i]
		s, err := storage.OpenServed(filepath.Join(o.Config.Path(o.Config.Served), filepath.FromSlash(t.Path)))
		if err != nil {
			return nil, fmt.Errorf("open the served tree of %s: %w", t.Name, err)
		}
		e.served[string(t.Name)] = s
	}
	if e.journal, err = storage.OpenJournal(ctx, e.state, "journal"); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	if err := e.Refresh(ctx); err != nil {
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

// Close lets no new run start and waits for those of this console.
func (e *Engine) Close() error {
	e.Drain()
	for _, a := range e.running() {
		<-a.done
	}
	return nil
}

// Drain lets no new run start from now on; those that run go on.
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

func (e *Engine) running() []*Active {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*Active, 0, len(e.active))
	for _, a := range e.active {
		all = append(all, a)
	}
	return all
}

// env is what a step of a release may use.
func (e *Engine) env(release, version string) *Env {
	return &Env{
		Config:  e.o.Config,
		Staging: e.staging,
		Now:     e.o.Now,
		Release: release,
		Version: version,
		Served: func(t *config.Target) (*storage.Served, error) {
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
