package pipeline

import (
	"sync/atomic"
	"time"
)

// Progress is what a run tells while it runs. Its methods may be called from
// many goroutines and never wait; a screen reads it by Status at its own pace.
type Progress struct {
	phase   atomic.Pointer[phase]
	current atomic.Pointer[string]
	part    atomic.Pointer[Progress] // that tells instead, while it is set
	log     *Log
}

type phase struct {
	name    string
	unit    Unit
	total   int64
	started time.Time
	done    atomic.Int64
}

// Unit is what a phase counts.
type Unit string

// Units of progress.
const (
	Bytes Unit = "bytes"
	Files Unit = "files"
)

// Status is progress at a moment, as it is drawn and as another console reads it.
type Status struct {
	Phase   string    `json:"phase,omitempty"`
	Unit    Unit      `json:"unit,omitempty"`
	Done    int64     `json:"done"`
	Total   int64     `json:"total"` // 0 where it is not known
	Current string    `json:"current,omitempty"`
	Started time.Time `json:"started,omitzero"` // of the phase
	At      time.Time `json:"at,omitzero"`
}

// NewProgress returns progress whose log lines go to log, which may be nil.
func NewProgress(log *Log) *Progress { return &Progress{log: log} }

// Phase begins a part of the run that counts up to total in a unit; total 0 is
// not known beforehand.
func (p *Progress) Phase(name string, unit Unit, total int64) {
	p.phase.Store(&phase{name: name, unit: unit, total: total, started: time.Now()})
	p.current.Store(nil)
}

// Add counts on.
func (p *Progress) Add(n int64) {
	if ph := p.phase.Load(); ph != nil {
		ph.done.Add(n)
	}
}

// File names what is worked at.
func (p *Progress) File(name string) { p.current.Store(&name) }

// Logf writes a line to the run's log, made harmless.
func (p *Progress) Logf(format string, args ...any) {
	if p.log != nil {
		p.log.Printf(format, args...)
	}
}

// follow lets another progress tell instead, until it is nil.
func (p *Progress) follow(part *Progress) { p.part.Store(part) }

// Status reads the progress.
func (p *Progress) Status() Status {
	if part := p.part.Load(); part != nil {
		return part.Status()
	}
	s := Status{At: time.Now()}
	if ph := p.phase.Load(); ph != nil {
		s.Phase, s.Unit, s.Total, s.Done, s.Started = ph.name, ph.unit, ph.total, ph.done.Load(), ph.started
	}
	if c := p.current.Load(); c != nil {
		s.Current = *c
	}
	return s
}

// Rate is how much is done per second, and Left how long the rest takes at that
// rate; zero where it cannot be told yet.
func (s Status) Rate() (perSecond float64, left time.Duration) {
	took := s.At.Sub(s.Started).Seconds()
	if took <= 0 || s.Done == 0 {
		return 0, 0
	}
	perSecond = float64(s.Done) / took
	if s.Total > s.Done {
		left = time.Duration(float64(s.Total-s.Done) / perSecond * float64(time.Second))
	}
	return perSecond, left
}
