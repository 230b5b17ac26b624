package pipeline

import (
	"context"
	"fmt"
	"time"

	"gantry/config"
)

// Review is what a promotion would bring to the clients of a target, repository
// by repository. All text in it is harmless on a terminal.
type Review struct {
	Target string         `json:"target" is:"target that was compared"`
	From   string         `json:"from,omitempty" is:"what production serves: a snapshot or a directory"`
	To     string         `json:"to" is:"what staging serves"`
	Repos  []ReviewedRepo `json:"repos" is:"repositories, by path"`
	Notes  []string       `json:"notes,omitempty" is:"what an operator should know of the whole"`
}

// ReviewedRepo is one repository of one architecture.
type ReviewedRepo struct {
	Name       string            `json:"name,omitempty" is:"such as AppStream; empty where the target is one repository"`
	Arch       string            `json:"arch,omitempty" is:"architecture of its directory, or source"`
	Path       string            `json:"path,omitempty" is:"where it is, below the tree"`
	New        bool              `json:"new,omitempty" is:"production has none of it"`
	Gone       bool              `json:"gone,omitempty" is:"staging has none of it"`
	Error      string            `json:"error,omitempty" is:"why it could not be compared"`
	Added      []ReviewedPackage `json:"added,omitempty" is:"packages that production has not in any version, or not beside newer ones"`
	Upgraded   []ReviewedPackage `json:"upgraded,omitempty" is:"packages of a higher version than before"`
	Downgraded []ReviewedPackage `json:"downgraded,omitempty" is:"packages whose newest version is lower than before"`
	Removed    []ReviewedPackage `json:"removed,omitempty" is:"packages, or versions of them, that staging has not"`
	Rebuilt    []ReviewedPackage `json:"rebuilt,omitempty" is:"packages of the same version with other bytes"`
	Advisories []Advisory        `json:"advisories,omitempty" is:"errata that production has not"`
	Notes      []string          `json:"notes,omitempty" is:"what an operator should know of it"`
}

// Differs tells whether a promotion would change anything of the repository.
func (r *ReviewedRepo) Differs() bool {
	return r.New || r.Gone || r.Error != "" || len(r.Added)+len(r.Upgraded)+len(r.Downgraded)+len(r.Removed)+len(r.Rebuilt)+len(r.Advisories)+len(r.Notes) > 0
}

// ReviewedPackage is a package that differs.
type ReviewedPackage struct {
	Name       string     `json:"name" is:"name of the package"`
	Arch       string     `json:"arch" is:"its architecture"`
	From       string     `json:"from,omitempty" is:"version before"`
	To         string     `json:"to,omitempty" is:"version after"`
	Source     string     `json:"source,omitempty" is:"source package it was built from"`
	Size       int64      `json:"size,omitempty" is:"of the package that is downloaded"`
	Changelog  []LogEntry `json:"changelog,omitempty" is:"what is new in it since the version before, the newest first"`
	Advisories []string   `json:"advisories,omitempty" is:"ids of the errata that name it"`
}

// LogEntry is one entry of a package's changelog.
type LogEntry struct {
	Time   time.Time `json:"time" is:"day of the entry"`
	Author string    `json:"author" is:"who wrote it"`
	Text   string    `json:"text" is:"its lines"`
}

// Advisory is an erratum of a repository.
type Advisory struct {
	ID       string   `json:"id" is:"such as RLSA-2025:1234"`
	Type     string   `json:"type,omitempty" is:"security, bugfix or enhancement"`
	Severity string   `json:"severity,omitempty" is:"such as Important"`
	Title    string   `json:"title,omitempty" is:"in a line"`
	CVEs     []string `json:"cves,omitempty" is:"what it repairs"`
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
