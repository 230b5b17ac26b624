package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
)

// Templates are the checklists to choose from: the operator's own, which lie in
// checklists/ beside release.yaml, and those that gantry brings. An own one
// takes the place of a brought one of its name.
func (e *Engine) Templates() ([]*checklist.Template, error) {
	return Templates(e.o.Config)
}

// Templates are the checklists of a configuration, as Engine.Templates.
func Templates(cfg *config.Release) ([]*checklist.Template, error) {
	var all []*checklist.Template
	own := map[string]bool{}
	root, err := os.OpenRoot(filepath.Join(cfg.Dir(), "checklists"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read your checklists: %w", err)
	default:
		defer root.Close()
		names, err := fs.Glob(root.FS(), "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("read your checklists: %w", err)
		}
		for _, name := range names {
			data, err := fs.ReadFile(root.FS(), name)
			if err != nil {
				return nil, fmt.Errorf("read your checklist %s: %w", config.Inert(name), err)
			}
			t, err := checklist.Parse(filepath.Join("checklists", name), data)
			if err != nil {
				return nil, err
			}
			own[t.Name] = true
			all = append(all, t)
		}
	}
	for _, t := range checklist.Builtin() {
		if !own[t.Name] {
			all = append(all, t)
		}
	}
	return all, nil
}

// OpenRelease begins a release of a kind at a version, with the checklist of
// that kind as it is today, and returns its id. due may be zero. The release is
// about the targets that are named, or about all that take the version.
func (e *Engine) OpenRelease(ctx context.Context, kind, version string, due time.Time, about ...string) (string, error) {
	if err := e.writable(); err != nil {
		return "", err
	}
	if _, err := config.ParseVersion(version); err != nil {
		return "", &RefusedError{Reason: err.Error()}
	}
	targets, err := e.choose(kind, version, about)
	if err != nil {
		return "", err
	}
	list, err := e.checklistOf(kind, targets)
	if err != nil {
		return "", err
	}
	id := ""
	name := kind + "-" + version
	err = e.record(ctx, name, checklist.ReleaseOpened, func(state checklist.State) (any, error) {
		if r := state.Release(name); r != nil {
			if r.ClosedAt.IsZero() {
				return nil, &ConflictError{Reason: fmt.Sprintf("release %s is open since %s, by %s", name, r.OpenedAt.Format("2006-01-02 15:04 MST"), r.OpenedBy)}
			}
			return nil, &RefusedError{Reason: "release " + name + " was already worked and closed", Hint: "open it under another version, such as " + version + "-2"}
		}
		id = name
		return checklist.Opened{ID: name, Kind: kind, Version: version, Due: due, Checklist: list}, nil
	})
	if err != nil {
		return "", err
	}
	return id, e.Refresh(ctx)
}

// CloseRelease ends the chosen release. Without abort every item must be done
// or waived.
func (e *Engine) CloseRelease(ctx context.Context, abort bool, reason string) error {
	if err := e.writable(); err != nil {
		return err
	}
	release, err := e.working(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.anew = true // what is done must be so now, not as it was last looked at
	e.mu.Unlock()
	if err := e.Refresh(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	inputs := e.seen.inputs
	e.mu.Unlock()
	err = e.record(ctx, release, checklist.ReleaseClosed, func(state checklist.State) (any, error) {
		is := state.Release(release)
		if is == nil || !is.ClosedAt.IsZero() {
			return nil, &ConflictError{Reason: "release " + release + " is closed already"}
		}
		for _, r := range state.Runs {
			if r.Release == release && r.Ended == nil {
				return nil, &RefusedError{Reason: fmt.Sprintf("run %s (%s) is not over", r.Intent.Run, r.Title), Hint: "wait for it, or settle it: gantry resolve RUN"}
			}
		}
		view := state.View(release, checklist.Observed{Now: e.o.Now(), Live: func(run string) bool { return e.alive(ctx, run) }, Inputs: compared(inputs, is)})
		if !abort && view.Done < view.Total {
			next, _ := view.Next()
			return nil, &RefusedError{
				Reason: fmt.Sprintf("%d of %d items are done; next is %q", view.Done, view.Total, next.Title),
				Hint:   "do them, waive them with a reason, or give the release up: gantry close --abort --reason ..."}
		}
		return checklist.Closed{Aborted: abort, Reason: strings.TrimSpace(reason)}, nil
	})
	if err != nil {
		return err
	}
	if err := e.journal.Pack(ctx); err != nil {
		return config.Hint(fmt.Errorf("release %s is closed, its journal could not be packed: %w", release, err),
			"it is closed all the same; without a pack, opening the console reads more files")
	}
	return nil
}
