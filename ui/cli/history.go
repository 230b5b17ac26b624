package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func (a *app) history(e *pipeline.Engine) error {
	events := e.History()
	if a.json {
		j := historyJSON{Events: []eventJSON{}}
		for _, ev := range events {
			j.Events = append(j.Events, eventJSON{Seq: ev.Seq, Time: ev.Time, Actor: ev.Actor, Host: ev.Host, Release: ev.Release, Type: ev.Type, Data: ev.Data})
		}
		a.printJSON(j)
		return nil
	}
	rows := [][]string{a.head("SEQ", "TIME", "WHO", "RELEASE", "WHAT")}
	for _, ev := range events {
		rows = append(rows, []string{fmt.Sprint(ev.Seq), clock(ev.Time), ev.Actor, orDash(config.Inert(ev.Release)), sentence(ev)})
	}
	a.table(rows)
	return nil
}

// sentence says what an event is. Its data may come from another version of
// the program: what it does not hold is left out.
func sentence(ev checklist.Event) string {
	get := func(into any) { _ = json.Unmarshal(ev.Data, into) } // zero where it does not fit
	var words []string
	say := func(s ...string) {
		for _, w := range s {
			if w != "" {
				words = append(words, w)
			}
		}
	}
	say(ev.Type)
	switch ev.Type {
	case checklist.ReleaseOpened:
		var d checklist.Opened
		get(&d)
		say(d.ID)
	case checklist.ReleaseClosed:
		var d checklist.Closed
		get(&d)
		if d.Aborted {
			say("aborted")
		}
		say(d.Reason)
	case checklist.ItemTicked:
		var d checklist.Ticked
		get(&d)
		say(d.Item+":", d.Note)
	case checklist.ItemWaived, checklist.ItemEarly:
		var d checklist.Waived
		get(&d)
		say(d.Item+":", d.Reason)
	case checklist.ItemCleared:
		var d checklist.Cleared
		get(&d)
		say(d.Item, d.Reason)
	case checklist.RunIntent:
		var d checklist.Intent
		get(&d)
		say(d.Run, d.Verb, d.Target, moved(d.Move))
	case checklist.RunEnded:
		var d checklist.Ended
		get(&d)
		say(d.Run, string(d.Outcome), d.Error)
		if d.Looked {
			say("(found by looking)")
		}
		say(moved(d.Move))
	case checklist.RunCancel:
		var d checklist.CancelAsked
		get(&d)
		say(d.Run)
	case checklist.HoldSet, checklist.HoldLifted:
		var d checklist.Held
		get(&d)
		say(d.Reason)
	case checklist.DriftAdopted:
		var d checklist.Adopted
		get(&d)
		say(d.Target, moved(&d.Move))
	case checklist.Refused:
		var d checklist.Refusal
		get(&d)
		say(d.Verb, d.Target, "typed "+fmt.Sprintf("%q:", d.Typed), d.Reason)
	case checklist.ArtifactStaged, checklist.ArtifactRemoved:
		var d checklist.Artifact
		get(&d)
		say(d.Target, d.File, size(d.Size))
	}
	return config.Inert(strings.Join(words, " "))
}

func moved(m *checklist.Move) string {
	if m == nil {
		return ""
	}
	return m.Pointer + " " + orDash(m.From) + " -> " + orDash(m.To)
}

func (a *app) verifyHistory(ctx context.Context, e *pipeline.Engine) error {
	r, err := e.VerifyHistory(ctx)
	if err != nil {
		return err
	}
	j := verifiedJSON{Entries: r.Entries, Head: r.Head, Damage: []damageJSON{}}
	var words []string
	torn := false
	for _, d := range r.Damage {
		j.Damage = append(j.Damage, damageJSON{Seq: d.Seq, Key: d.Key, Reason: d.Reason, Torn: d.Torn})
		words = append(words, d.Key+": "+d.Reason)
		torn = torn || d.Torn
	}
	if len(j.Damage) > 0 {
		if a.json {
			a.printJSON(j)
		}
		way := "nothing is written to it any more; restore the state from a backup, or keep it as evidence and begin with a new state directory"
		if torn && len(j.Damage) == 1 {
			way = "the last entry was torn while it was written and never took effect; move it aside: gantry history --mend"
		}
		return &toldError{config.Hint(fmt.Errorf("the journal is damaged: %s", strings.Join(words, "; ")), way)}
	}
	if r.Entries == 0 && len(e.History()) > 0 {
		return errors.New("the journal is empty now, although it was read before")
	}
	return a.show(j, func() { fmt.Fprintf(a.out, "%d events, chain whole, head %s\n", r.Entries, r.Head) })
}
