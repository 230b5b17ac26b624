package config

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Finding is something that a configuration names and that is not as it must be.
type Finding struct {
	Where string // the part of the configuration: key lts
	What  string
	Hint  string
}

// Lint looks at what a configuration names: keys, secrets, directories. It
// changes nothing and returns what it found wrong.
func Lint(r *Release) []Finding {
	var found []Finding
	add := func(where string, err error) {
		if err != nil {
			found = append(found, Finding{where, Inert(err.Error()), Inert(HintOf(err))})
		}
	}
	for _, k := range r.Keys {
		where := "key " + string(k.Name)
		add(where, armored(k.Private, r.dir, "BEGIN PGP PRIVATE KEY BLOCK"))
		if !k.Passphrase.IsZero() {
			_, err := k.Passphrase.Reveal(r.dir)
			add(where, err)
		}
		b, err := os.ReadFile(r.Path(k.Public))
		if err != nil {
			err = Hint(fmt.Errorf("read the public key: %w", err), "put the armored public key there: gpg --armor --export")
		} else if !bytes.Contains(b, []byte("BEGIN PGP PUBLIC KEY BLOCK")) {
			err = Hint(fmt.Errorf("%s is a placeholder, not a public key", k.Public), "put the armored public key there: gpg --armor --export")
		}
		add(where, err)
	}
	for _, t := range r.Targets {
		if t.Subscriber != nil {
			_, err := t.Subscriber.Password.Reveal(r.dir)
			add("target "+string(t.Name), err)
		}
		if t.URL == "" {
			add("target "+string(t.Name), Hint(fmt.Errorf("no url: its mirrorlist can only name a local path"), "write where clients reach it"))
		}
	}
	for _, c := range r.Commands {
		for _, s := range c.Secrets {
			_, err := s.Reveal(r.dir)
			add("command "+string(c.Name), err)
		}
	}
	for _, p := range r.Probes {
		if !p.Password.IsZero() {
			_, err := p.Password.Reveal(r.dir)
			add("probe "+string(p.Name), err)
		}
	}
	for name, dir := range map[string]string{"state": r.State, "staging": r.Staging, "served": r.Served} {
		if info, err := os.Stat(r.Path(dir)); err == nil && !info.IsDir() {
			add(name, Hint(fmt.Errorf("%s is not a directory", dir), "name a directory, or move the file away"))
		}
	}
	return found
}

func armored(s Secret, dir, begin string) error {
	b, err := s.Reveal(dir)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), begin) {
		return Hint(fmt.Errorf("%s holds no armored private key", s.Reference()), "export it: gpg --armor --export-secret-keys")
	}
	return nil
}
