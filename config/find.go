package config

import "strings"

// Target finds a target by name.
func (r *Release) Target(name string) (*Target, bool) {
	return find(r.Targets, name, func(t *Target) Name { return t.Name })
}

// Key finds a signing key by name.
func (r *Release) Key(name string) (*Key, bool) {
	return find(r.Keys, name, func(k *Key) Name { return k.Name })
}

// Command finds a program by name.
func (r *Release) Command(name string) (*Command, bool) {
	return find(r.Commands, name, func(c *Command) Name { return c.Name })
}

// Probe finds an HTTP check by name.
func (r *Release) Probe(name string) (*Probe, bool) {
	return find(r.Probes, name, func(p *Probe) Name { return p.Name })
}

// CosignKey finds a key that signs images by name.
func (r *Release) CosignKey(name string) (*CosignKey, bool) {
	return find(r.CosignKeys, name, func(k *CosignKey) Name { return k.Name })
}

// Store finds an S3-compatible server by name.
func (r *Release) Store(name string) (*Store, bool) {
	return find(r.Stores, name, func(s *Store) Name { return s.Name })
}

// Registry finds a registry of images by name.
func (r *Release) Registry(name string) (*Registry, bool) {
	return find(r.Registries, name, func(g *Registry) Name { return g.Name })
}

// Tunnel finds an SSH forward by name.
func (r *Release) Tunnel(name string) (*Tunnel, bool) {
	return find(r.Tunnels, name, func(t *Tunnel) Name { return t.Name })
}

// Forge finds a forge by name.
func (r *Release) Forge(name string) (*Forge, bool) {
	return find(r.Forges, name, func(f *Forge) Name { return f.Name })
}

// Workflow finds a workflow by name.
func (r *Release) Workflow(name string) (*Workflow, bool) {
	return find(r.Workflows, name, func(w *Workflow) Name { return w.Name })
}

// Job finds a Kubernetes Job by name.
func (r *Release) Job(name string) (*Job, bool) {
	return find(r.Jobs, name, func(j *Job) Name { return j.Name })
}

// Closure finds a repoclosure by name.
func (r *Release) Closure(name string) (*Closure, bool) {
	return find(r.Closures, name, func(c *Closure) Name { return c.Name })
}

// FileList finds the lists for mirrors by name.
func (r *Release) FileList(name string) (*FileLists, bool) {
	return find(r.FileLists, name, func(f *FileLists) Name { return f.Name })
}

// ImagesOf finds the matrix of images of a name that a tree has.
func (r *Release) ImagesOf(name, target string) (*Images, bool) {
	for i := range r.Images {
		if im := &r.Images[i]; string(im.Name) == name && string(im.Target) == target {
			return im, true
		}
	}
	return nil, false
}

// StoreOf reads a place of the configuration (state, staging, served) that is a
// prefix of a store, store:NAME or store:NAME/PREFIX. The prefix has no slash at
// its ends and may be empty. ok is false where the place is a directory.
func (r *Release) StoreOf(place string) (s *Store, prefix string, ok bool) {
	name, prefix, remote := splitStore(place)
	if !remote {
		return nil, "", false
	}
	s, ok = r.Store(name)
	return s, prefix, ok
}

// splitStore tells whether a place is written as one on a store, and takes it
// apart.
func splitStore(place string) (name, prefix string, remote bool) {
	rest, remote := strings.CutPrefix(place, "store:")
	if !remote {
		return "", "", false
	}
	name, prefix, _ = strings.Cut(rest, "/")
	return name, prefix, true
}

func find[T any](all []T, name string, of func(*T) Name) (*T, bool) {
	for i := range all {
		if string(of(&all[i])) == name {
			return &all[i], true
		}
	}
	return nil, false
}
