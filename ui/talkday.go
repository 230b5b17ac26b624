package ui

import (
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// releaseIDs are the ids of releases, one after another.
func releaseIDs(all []*checklist.ReleaseState) string {
	var ids []string
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, ", ")
}

// choose goes to another of the open releases.
func (t *talk) choose(release string) error {
	open := t.c.View().Open
	if release == "" {
		return &pipeline.RefusedError{Reason: "choose which release?", Hint: "open are " + releaseIDs(open)}
	}
	if err := t.c.Choose(t.ctx, release); err != nil {
		return err
	}
	t.status()
	return nil
}

// day looks at the world once, and says how all open releases stand.
func (t *talk) day() error {
	t.c.Watch(t.ctx)
	v := t.c.View()
	for i := range v.Days {
		day := &v.Days[i]
		words := fmt.Sprintf("%s: %d of %d items complete", config.Inert(day.Release.ID), day.Done, day.Total)
		if !day.Release.Due.IsZero() {
			words += ", due " + until(day.Release.Due, v.Now)
		}
		if eta := day.ETA(v.Now); !eta.IsZero() {
			words += ", done at the earliest " + minute(eta, v.Now) + " UTC"
		}
		t.say("%s.", words)
		items, more := day.Agenda()
		for _, it := range items {
			t.say("  %s: %s", config.Inert(it.Title), config.Inert(t.stands(day, it, v)))
		}
		if more > 0 {
			t.say("  and %d more that wait for these", more)
		}
	}
	if len(v.Days) == 0 {
		t.say("No release is open.")
	}
	for _, p := range v.Watched {
		if p.At.IsZero() {
			t.say("%s: %s", config.Inert(p.Name), config.Inert(p.Words))
			continue
		}
		word := "up"
		if !p.OK {
			word = "DOWN"
		}
		t.say("%s is %s since %s: %s", config.Inert(p.Name), word, age(v.Now.Sub(p.Since)), config.Inert(p.Words))
	}
	return nil
}

// stands says how an item stands, and when or after what it goes on.
func (t *talk) stands(day *checklist.View, it checklist.ItemView, v pipeline.View) string {
	words := string(it.Status)
	if it.Late {
		words = "LATE, " + words
	}
	switch first, waits := day.Awaits(it); {
	case it.Status == checklist.StatusBlocked && waits:
		words += " by " + first.Title
	case it.Status == checklist.StatusWaiting && it.Opens.After(v.Now):
		words += ", opens in " + took(it.Opens.Sub(v.Now))
	case it.Closes.After(v.Now):
		words += ", " + took(it.Closes.Sub(v.Now)) + " left"
	case it.Usual > 0:
		words += ", usually takes " + took(it.Usual)
	}
	return words
}

// review says what a promotion would bring.
func (t *talk) review(target string) error {
	r, err := t.c.Review(t.ctx, target)
	if err != nil {
		return err
	}
	t.say("%s: production %s, staging %s.", config.Inert(r.Target), config.Inert(orNone(r.From)), config.Inert(orNone(r.To)))
	for _, note := range r.Notes {
		t.say("  Note: %s", config.Inert(note))
	}
	for i := range r.Repos {
		repo := &r.Repos[i]
		if !repo.Differs() {
			continue
		}
		t.say("%s:", config.Inert(repoName(repo)))
		if repo.Error != "" {
			t.say("  could not be compared: %s", config.Inert(repo.Error))
		}
		for _, note := range repo.Notes {
			t.say("  Note: %s", config.Inert(note))
		}
		for _, group := range changesOf(repo) {
			for _, p := range group.pkgs {
				t.say("  %s %s %s %s", group.what.word, config.Inert(p.Name+"."+p.Arch), config.Inert(versions(&p, "to")), config.Inert(strings.Join(p.Advisories, " ")))
			}
		}
	}
	return nil
}
