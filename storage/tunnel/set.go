// Package tunnel opens connections from the far end of SSH connections: what
// `ssh -L` does, without a listener that others could use, and without a shell.
// A host is only spoken to when the file of known hosts vouches for its key.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"

	"gantry/config"
)

// ErrDied is what reading, writing and dialling through a tunnel wrap when its
// SSH connection ended.
var ErrDied = errors.New("the tunnel died")

// Words of a State.
const (
	Off        = "off"        // nobody needed it yet
	Connecting = "connecting" //
	Up         = "up"         //
	Down       = "down"       // it died, or could not be opened; the next dial tries again
)

// State is how a tunnel is.
type State struct {
	Name   config.Name
	Word   string // Off, Connecting, Up or Down
	Reason string // of Down, safe to show
}

// String is the state in a word, with the reason where there is one.
func (s State) String() string {
	if s.Reason != "" {
		return s.Word + ": " + s.Reason
	}
	return s.Word
}

// Set is the tunnels of a configuration, each of which is opened once, when
// something is first dialled through it.
type Set struct {
	all    []*tunnel // as they are configured
	byName map[config.Name]*tunnel
}

// NewSet prepares the tunnels of a configuration. Nothing is connected, and no
// file is read.
func NewSet(cfg *config.Release) (*Set, error) {
	s := &Set{byName: map[config.Name]*tunnel{}}
	for _, c := range cfg.Tunnels {
		t, err := newTunnel(cfg, c)
		if err != nil {
			return nil, fmt.Errorf("tunnel %s: %w", c.Name, err)
		}
		if s.byName[c.Name] != nil {
			return nil, fmt.Errorf("tunnel %s is configured twice", c.Name)
		}
		s.all, s.byName[c.Name] = append(s.all, t), t
	}
	for _, t := range s.all {
		if t.Via == "" {
			continue
		}
		at := t
		for range s.all { // a chain without a ring is no longer than there are tunnels
			if at.Via == "" {
				break
			}
			next := s.byName[at.Via]
			if next == nil {
				return nil, config.Hint(fmt.Errorf("tunnel %s goes via %s, which the configuration does not have", at.Name, at.Via), "write it under tunnels in release.yaml")
			}
			at = next
		}
		if at.Via != "" {
			return nil, config.Hint(fmt.Errorf("tunnel %s goes via itself", t.Name), "one of the tunnels on its way must go via none")
		}
		t.reach = s.byName[t.Via].DialContext
	}
	return s, nil
}

// Dial is how to open connections through the tunnel of that name: as the
// DialContext of a net.Dialer, but that the far end looks up the host. Once the
// tunnel died, the next dial opens it anew.
func (s *Set) Dial(name config.Name) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if t := s.byName[name]; t != nil {
		return t.DialContext
	}
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, config.Hint(fmt.Errorf("the configuration has no tunnel %q", config.Inert(string(name))), "write it under tunnels in release.yaml")
	}
}

// States are those of all tunnels, as they are configured.
func (s *Set) States() []State {
	states := make([]State, len(s.all))
	for i, t := range s.all {
		states[i] = t.state()
	}
	return states
}

// Close ends every connection and waits for all that belongs to them. Later
// dials fail.
func (s *Set) Close() error {
	for _, t := range s.all {
		t.shut()
	}
	for _, t := range s.all {
		t.running.Wait()
	}
	return nil
}
