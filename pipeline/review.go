package pipeline

import (
	"context"
	"fmt"
	"time"

	"gantry/config"
)

// Review is what a promotion would bring to the clients of a target, repository
// by repository.
type Review struct {
	Target string         `json:"target"`
	From   string         `json:"from,omitempty"` // what production serves: a snapshot or a directory
	To     string         `json:"to"`             // what staging serves
	Repos  []ReviewedRepo `json:"repos"`
	Notes  []string       `json:"notes,omitempty"` // what could not be compared, in words
}

// ReviewedRepo is one repository of one architecture.
type ReviewedRepo struct {
	Name       string            `json:"name"` // AppStream; empty where the target is one repository
	Arch       string            `json:"arch,omitempty"`
	Path       string            `json:"path,omitempty"` // below the tree
	Added      []ReviewedPackage `json:"added,omitempty"`
	Upgraded   []ReviewedPackage `json:"upgraded,omitempty"`
	Downgraded []ReviewedPackage `json:"downgraded,omitempty"`
	Removed    []ReviewedPackage `json:"removed,omitempty"`
	Rebuilt    []ReviewedPackage `json:"rebuilt,omitempty"` // the same version, other bytes
	Advisories []Advisory        `json:"advisories,omitempty"`
}

// ReviewedPackage is a package that differs.
type ReviewedPackage struct {
	Name       string     `json:"name"`
	Arch       string     `json:"arch"`
	From       string     `json:"from,omitempty"` // version before
	To         string     `json:"to,omitempty"`   // version after
	Source     string     `json:"source,omitempty"`
	Size       int64      `json:"size,omitempty"`
	Changelog  []LogEntry `json:"changelog,omitempty"`  // what is new in it since From, the newest first
	Advisories []string   `json:"advisories,omitempty"` // ids of those that name it
}

// LogEntry is one entry of a package's changelog.
type LogEntry struct {
	Time   time.Time `json:"time"`
	Author string    `json:"author"`
	Text   string    `json:"text"`
}

// Advisory is an erratum of a repository.
type Advisory struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"` // security, bugfix, enhancement
	Severity string   `json:"severity,omitempty"`
	Title    string   `json:"title"`
	CVEs     []string `json:"cves,omitempty"`
}

// Review compares staging of a target with its production.
func (e *Engine) Review(ctx context.Context, target string) (r *Review, err error) {
	defer caught(&err)
	t, ok := e.o.Config.Target(target)
	if !ok {
		return nil, &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "targets are " + e.targetNames()}
	}
	review := e.o.Trades[t.Format].Review
	if review == nil {
		return nil, &RefusedError{Reason: fmt.Sprintf("%s is of format %s, whose packages nothing here compares", t.Name, t.Format), Hint: "its plan says what would change: gantry promote " + target}
	}
	id := ""
	e.mu.Lock()
	if release := e.chosen(e.fold.Clone()); release != nil {
		id = release.ID
	}
	e.mu.Unlock()
	return review(ctx, e.env(id, ""), t)
}
