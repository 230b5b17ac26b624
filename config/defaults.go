package config

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// defaults fills in what was not given. What was given stays, for check to judge.
func (c *checker) defaults() {
	r := c.r
	or(c, "state", &r.State, "state")
	or(c, "staging", &r.Staging, "staging")
	or(c, "served", &r.Served, "served")
	or(c, "console.theme", &r.Console.Theme, Dark)
	for i := range r.Targets {
		c.target(&r.Targets[i], fmt.Sprintf("targets[%d].", i))
	}
	for i := range r.Commands {
		or(c, fmt.Sprintf("commands[%d].timeout", i), &r.Commands[i].Timeout, Duration(time.Hour))
	}
	for i := range r.Probes {
		or(c, fmt.Sprintf("probes[%d].status", i), &r.Probes[i].Status, 200)
		or(c, fmt.Sprintf("probes[%d].timeout", i), &r.Probes[i].Timeout, Duration(10*time.Second))
	}
	for i := range r.Jobs {
		or(c, fmt.Sprintf("jobs[%d].timeout", i), &r.Jobs[i].Timeout, Duration(6*time.Hour))
		or(c, fmt.Sprintf("jobs[%d].kubectl", i), &r.Jobs[i].Kubectl, []string{"kubectl"})
	}
	for i := range r.Images {
		or(c, fmt.Sprintf("images[%d].in", i), &r.Images[i].In, "compose")
		or(c, fmt.Sprintf("images[%d].checksum", i), &r.Images[i].Checksum, "CHECKSUM")
	}
	for i := range r.FileLists {
		or(c, fmt.Sprintf("file_lists[%d].shrink", i), &r.FileLists[i].Shrink, 10)
	}
	for i := range r.Mirrors {
		or(c, fmt.Sprintf("mirrors[%d].percent", i), &r.Mirrors[i].Percent, 80)
		or(c, fmt.Sprintf("mirrors[%d].timeout", i), &r.Mirrors[i].Timeout, Duration(10*time.Second))
	}
	for i := range r.Stores {
		s, at := &r.Stores[i], fmt.Sprintf("stores[%d].", i)
		or(c, at+"region", &s.Region, "us-east-1")
		or(c, at+"path_style", &s.PathStyle, c.given(at+"endpoint"))
		or(c, at+"checksums", &s.Checksums, ChecksumsAlways)
		s.Endpoint = strings.TrimSuffix(s.Endpoint, "/")
	}
	for i := range r.Forges {
		f, at := &r.Forges[i], fmt.Sprintf("forges[%d].", i)
		or(c, at+"kind", &f.Kind, GitHub)
		if f.Kind == GitHub {
			or(c, at+"api", &f.API, "https://api.github.com")
		}
		f.API = strings.TrimSuffix(f.API, "/")
		for n := range f.Secrets {
			f.Secrets[n] = strings.ToUpper(f.Secrets[n]) // as forges keep and list them
		}
	}
	for i := range r.Workflows {
		w, at := &r.Workflows[i], fmt.Sprintf("workflows[%d].", i)
		or(c, at+"ref", &w.Ref, "main")
		or(c, at+"timeout", &w.Timeout, Duration(2*time.Hour))
	}
}

// target fills in what was not given of a target, as far as its format has it.
func (c *checker) target(t *Target, at string) {
	or(c, at+"snapshots", &t.Snapshots, 5)
	t.URL = strings.TrimSuffix(t.URL, "/")
	if t.Format == FormatTree {
		if t.Tree != nil {
			c.tree(t.Tree, at+"tree.")
		}
		return
	}
	if t.Format == FormatOCI {
		or(c, at+"repository", &t.Repository, string(t.Component))
		return
	}
	or(c, at+"policy", &t.Policy, Accumulate)
	or(c, at+"keep", &t.Keep, 3)
	or(c, at+"compress", &t.Compress, Gzip)
	switch t.Format {
	case FormatRPM:
		or(c, at+"signatures", &t.Signatures, SignHeader)
		if t.Component != "" && t.Series != "" && t.OS != "" {
			or(c, at+"path", &t.Path, path.Join("rpm", string(t.Component), string(t.Series), string(t.OS)))
		}
	case FormatDEB:
		or(c, at+"origin", &t.Origin, string(c.r.Product))
		or(c, at+"label", &t.Label, string(c.r.Product))
		if t.Component != "" && t.Series != "" {
			or(c, at+"path", &t.Path, path.Join("deb", string(t.Component), string(t.Series)))
		}
	}
}

// tree fills in what was not given of a tree.
func (c *checker) tree(t *Tree, at string) {
	or(c, at+"stream", &t.Stream, Stable)
	or(c, at+"grace", &t.Grace, Delay(time.Hour))
	or(c, at+"alarm", &t.Alarm, 10)
	or(c, at+"open", &t.Open, Mode(0o755))
	or(c, at+"compose.undo", &t.Compose.Undo, ".gantry")
	or(c, at+"staging.undo", &t.Staging.Undo, ".gantry")
	or(c, at+"production.undo", &t.Production.Undo, ".gantry")
}

func or[T any](c *checker, at string, into *T, value T) {
	if !c.given(at) {
		*into = value
	}
}
