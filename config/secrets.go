package config

import (
	"fmt"
	"maps"
	"slices"
)

// NamedSecret is a secret of a configuration and where it is written.
type NamedSecret struct {
	Secret
	Path string // in the file: stores[0].access_key
	Of   string // what has it: store rustfs
}

// Secrets are all secrets that the configuration refers to, in its order; those
// that were left out are not among them.
func (r *Release) Secrets() []NamedSecret {
	var all []NamedSecret
	add := func(list string, i int, what string, name Name, field string, s Secret) {
		if !s.IsZero() {
			all = append(all, NamedSecret{s, fmt.Sprintf("%s[%d].%s", list, i, field), what + " " + string(name)})
		}
	}
	for i, k := range r.Keys {
		add("keys", i, "key", k.Name, "private", k.Private)
		add("keys", i, "key", k.Name, "passphrase", k.Passphrase)
	}
	for i, t := range r.Targets {
		if t.Subscriber != nil {
			add("targets", i, "target", t.Name, "subscriber.password", t.Subscriber.Password)
		}
	}
	for i, c := range r.Commands {
		for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
			add("commands", i, "command", c.Name, "secrets."+name, c.Secrets[name])
		}
	}
	for i, p := range r.Probes {
		add("probes", i, "probe", p.Name, "password", p.Password)
	}
	for i, k := range r.CosignKeys {
		add("cosign_keys", i, "cosign key", k.Name, "private", k.Private)
		add("cosign_keys", i, "cosign key", k.Name, "password", k.Password)
	}
	for i, s := range r.Stores {
		add("stores", i, "store", s.Name, "access_key", s.AccessKey)
		add("stores", i, "store", s.Name, "secret_key", s.SecretKey)
		add("stores", i, "store", s.Name, "session_token", s.SessionToken)
	}
	for i, g := range r.Registries {
		add("registries", i, "registry", g.Name, "password", g.Password)
	}
	for i, t := range r.Tunnels {
		add("tunnels", i, "tunnel", t.Name, "key", t.Key)
		add("tunnels", i, "tunnel", t.Name, "passphrase", t.Passphrase)
	}
	for i, f := range r.Forges {
		add("forges", i, "forge", f.Name, "token", f.Token)
	}
	return all
}
