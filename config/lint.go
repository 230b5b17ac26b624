package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Finding is something that a configuration names and that is not as it must be.
type Finding struct {
	Where string // the part of the configuration: key lts
	What  string
	Hint  string
}

type linter struct {
	r     *Release
	found []Finding
}

// Lint looks at what a configuration names: keys, secrets, directories, programs. It
// changes nothing, asks no server, and returns what it found wrong, in the
// configuration's order.
func Lint(r *Release) []Finding {
	l := &linter{r: r}
	for _, a := range r.areas() {
		if _, _, remote := r.StoreOf(a.place); remote {
			continue
		}
		if info, err := os.Stat(r.Path(a.place)); err == nil && !info.IsDir() {
			l.add(a.name, Hint(fmt.Errorf("%s is not a directory", a.place), "name a directory, or move the file away"))
		}
	}
	l.add("served", joined(r))
	for _, k := range r.Keys {
		where := "key " + string(k.Name)
		l.private(where, k.Private, openPGP)
		l.set(where, k.Passphrase)
		l.public(where, k.Public, openPGP)
	}
	all := r.Secrets()
	each := func(where string) {
		for _, s := range all {
			if s.Of == where {
				l.set(where, s.Secret)
			}
		}
	}
	for _, t := range r.Targets {
		each("target " + string(t.Name))
	}
	for _, c := range r.Commands {
		where := "command " + string(c.Name)
		each(where)
		for _, name := range c.Inherit {
			if _, ok := os.LookupEnv(name); !ok {
				l.add(where, Hint(fmt.Errorf("it inherits %s, which the environment does not have", name), "export it before starting gantry, or leave it out of inherit"))
			}
		}
	}
	for _, p := range r.Probes {
		each("probe " + string(p.Name))
	}
	for _, k := range r.CosignKeys {
		where := "cosign key " + string(k.Name)
		l.private(where, k.Private, cosign)
		l.set(where, k.Password)
		l.public(where, k.Public, cosign)
	}
	for _, s := range r.Stores {
		each("store " + string(s.Name))
	}
	for _, g := range r.Registries {
		each("registry " + string(g.Name))
	}
	for _, t := range r.Tunnels {
		l.tunnel("tunnel "+string(t.Name), t)
	}
	for _, f := range r.Forges {
		each("forge " + string(f.Name))
	}
	l.trees()
	l.programs()
	return l.found
}

func (l *linter) add(where string, err error) {
	if err != nil {
		l.found = append(l.found, Finding{where, Inert(err.Error()), Inert(HintOf(err))})
	}
}

// set looks whether a secret can be had, where one is referred to.
func (l *linter) set(where string, s Secret) {
	if !s.IsZero() {
		_, err := s.Reveal(l.r.dir)
		l.add(where, err)
	}
}

// tunnel looks at what an SSH connection is opened with.
func (l *linter) tunnel(where string, t Tunnel) {
	if !t.Key.IsZero() {
		l.private(where, t.Key, openSSH)
	} else if os.Getenv("SSH_AUTH_SOCK") == "" {
		l.add(where, Hint(errors.New("it has no key, and no agent is running: the environment has no SSH_AUTH_SOCK"), "start ssh-agent and ssh-add the key, or write key: file:PATH"))
	}
	l.set(where, t.Passphrase)
	if t.KnownHosts == "" {
		return
	}
	b, err := readBounded(l.r.Path(t.KnownHosts))
	if err == nil && strings.TrimSpace(string(b)) == "" {
		err = fmt.Errorf("%s is empty", t.KnownHosts)
	}
	if err != nil {
		l.add(where, Hint(fmt.Errorf("read the known hosts: %w", err), "put the host's key there, as its owner gives it: ssh-keyscan asks whoever answers"))
	}
}

// joined reports directories that symbolic links bring together, which Load does
// not see.
func joined(r *Release) error {
	var dirs []area
	for _, a := range r.areas() {
		if _, _, remote := r.StoreOf(a.place); !remote {
			dirs = append(dirs, a)
		}
	}
	if len(dirs) == 0 || dirs[len(dirs)-1].name != "served" {
		return nil
	}
	served, err := filepath.EvalSymlinks(r.Path(r.Served))
	if err != nil {
		return nil // it is made when the console opens
	}
	for _, a := range dirs[:len(dirs)-1] {
		dir, err := filepath.EvalSymlinks(r.Path(a.place))
		if err == nil && (within(dir, served) || within(served, dir)) {
			return Hint(errors.New("symbolic links lead served and "+a.name+" to one place"), "give each a directory of its own")
		}
	}
	return nil
}
