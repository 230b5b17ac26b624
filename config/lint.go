package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Finding is something that a configuration names and that is not as it must be.
type Finding struct {
	Where string // the part of the configuration: key lts
	What  string
	Hint  string
}

// Lint looks at what a configuration names: keys, secrets, directories. It
// changes nothing and returns what it found wrong, in the configuration's order.
func Lint(r *Release) []Finding {
	var found []Finding
	add := func(where string, err error) {
		if err != nil {
			found = append(found, Finding{where, Inert(err.Error()), Inert(HintOf(err))})
		}
	}
	set := func(where string, s Secret) {
		if !s.IsZero() {
			_, err := s.Reveal(r.dir)
			add(where, err)
		}
	}
	for _, a := range r.areas() {
		if info, err := os.Stat(r.Path(a.dir)); err == nil && !info.IsDir() {
			add(a.name, Hint(fmt.Errorf("%s is not a directory", a.dir), "name a directory, or move the file away"))
		}
	}
	add("served", joined(r))
	for _, k := range r.Keys {
		where := "key " + string(k.Name)
		private, err := k.Private.Reveal(r.dir)
		if err == nil && !bytes.Contains(private, []byte("BEGIN PGP PRIVATE KEY BLOCK")) {
			err = Hint(fmt.Errorf("%s holds no armored private key", k.Private.Reference()), "export it: gpg --armor --export-secret-keys")
		}
		add(where, err)
		set(where, k.Passphrase)
		add(where, public(r, k))
	}
	for _, t := range r.Targets {
		if t.Subscriber != nil {
			set("target "+string(t.Name), t.Subscriber.Password)
		}
	}
	for _, c := range r.Commands {
		for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
			set("command "+string(c.Name), c.Secrets[name])
		}
		for _, name := range c.Inherit {
			if _, ok := os.LookupEnv(name); !ok {
				add("command "+string(c.Name), Hint(fmt.Errorf("it inherits %s, which the environment does not have", name), "export it before starting gantry, or leave it out of inherit"))
			}
		}
	}
	for _, p := range r.Probes {
		set("probe "+string(p.Name), p.Password)
	}
	return found
}

// Advice is what would make a configuration better though nothing is wrong with
// it; it changes nothing.
func Advice(r *Release) []Finding {
	var found []Finding
	for _, t := range r.Targets {
		if t.URL == "" {
			found = append(found, Finding{"target " + string(t.Name), "no url: its mirrorlist can only name a local path", "write where clients reach it"})
		}
	}
	return found
}

// public looks at the file that clients import.
func public(r *Release, k Key) error {
	const hint = "put the armored public key there: gpg --armor --export"
	b, err := readBounded(r.Path(k.Public))
	switch {
	case err != nil:
		return Hint(fmt.Errorf("read the public key: %w", err), hint)
	case bytes.Contains(b, []byte("PRIVATE KEY")):
		return Hint(fmt.Errorf("%s holds a private key, and clients are given it", k.Public), "write the public half alone there: gpg --armor --export")
	case !bytes.Contains(b, []byte("BEGIN PGP PUBLIC KEY BLOCK")):
		return Hint(fmt.Errorf("%s is a placeholder, not a public key", k.Public), hint)
	}
	return nil
}

// joined reports directories that symbolic links bring together, which Load does
// not see.
func joined(r *Release) error {
	served, err := filepath.EvalSymlinks(r.Path(r.Served))
	if err != nil {
		return nil // it is made when the console opens
	}
	for _, a := range r.areas()[:2] {
		dir, err := filepath.EvalSymlinks(r.Path(a.dir))
		if err == nil && (within(dir, served) || within(served, dir)) {
			return Hint(errors.New("symbolic links lead served and "+a.name+" to one place"), "give each a directory of its own")
		}
	}
	return nil
}
