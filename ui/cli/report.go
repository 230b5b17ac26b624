package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// markdown writes the release of a view as a document to keep: what was waived
// first, since that is what a reader must judge.
func markdown(v pipeline.View, events []checklist.Event) (string, error) {
	r := v.Checklist.Release
	if r == nil {
		return "", &pipeline.RefusedError{Reason: "no release is open", Hint: "name one with --release; gantry history lists those that were"}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", cell(v.Product), cell(r.ID))
	fmt.Fprintf(&b, "- checklist: %s\n- opened: %s by %s\n", cell(r.Checklist.Title), clock(r.OpenedAt), cell(r.OpenedBy))
	if !r.Due.IsZero() {
		fmt.Fprintf(&b, "- due: %s\n", clock(r.Due))
	}
	switch {
	case r.ClosedAt.IsZero():
		fmt.Fprintf(&b, "- still open, %d of %d items done\n", v.Checklist.Done, v.Checklist.Total)
	case r.Aborted:
		fmt.Fprintf(&b, "- **given up**: %s, %d of %d items done\n", clock(r.ClosedAt), v.Checklist.Done, v.Checklist.Total)
	default:
		fmt.Fprintf(&b, "- closed: %s\n", clock(r.ClosedAt))
	}
	waivers(&b, v)
	items(&b, v)
	runs(&b, v)
	refusals(&b, r.ID, events)
	return b.String(), nil
}

// cell makes text harmless for a terminal and for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'").Replace(config.Inert(s))
}

func waivers(b *strings.Builder, v pipeline.View) {
	fmt.Fprint(b, "\n## Waived\n\n")
	none := true
	for _, section := range v.Checklist.Sections {
		for _, it := range section.Views {
			if it.Status == checklist.StatusWaived {
				who, when, why := itemBy(it)
				fmt.Fprintf(b, "- **%s**: %s (%s, %s)\n", cell(it.Title), cell(why), cell(who), clock(when))
				none = false
			}
		}
	}
	if none {
		fmt.Fprintln(b, "Nothing.")
	}
}

func items(b *strings.Builder, v pipeline.View) {
	fmt.Fprint(b, "\n## Checklist\n")
	for _, section := range v.Checklist.Sections {
		fmt.Fprintf(b, "\n### %s\n\n| item | status | who | when | what was seen |\n|---|---|---|---|---|\n", cell(section.Title))
		for _, it := range section.Views {
			who, when, note := itemBy(it)
			if note == "" && it.State != nil && it.State.Run != nil && it.State.Run.Ended != nil {
				note = evidence(it.State.Run.Ended)
			}
			if note == "" {
				note = it.Because
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", cell(it.Title), it.Status, cell(who), clock(when), cell(note))
		}
	}
}

func evidence(end *checklist.Ended) string {
	if end.Error != "" {
		return end.Error
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(end.Evidence)) {
		parts = append(parts, key+" "+end.Evidence[key])
	}
	return strings.Join(parts, ", ")
}

func runs(b *strings.Builder, v pipeline.View) {
	fmt.Fprint(b, "\n## Runs\n\n| began | verb | target | who | took | outcome | moved |\n|---|---|---|---|---|---|---|\n")
	for _, r := range slices.Backward(v.Runs) {
		if r.Release != v.Checklist.Release.ID {
			continue
		}
		took, what, move := "", r.State(), ""
		if r.Run.Ended != nil {
			took = span(r.EndedAt.Sub(r.Started))
			move = moved(r.Run.Ended.Move)
			if r.Run.Ended.Error != "" {
				what += ": " + r.Run.Ended.Error
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", clock(r.Started), cell(r.Verb), cell(r.Target), cell(r.Actor+" on "+r.Host), took, cell(what), cell(move))
	}
}

func refusals(b *strings.Builder, release string, events []checklist.Event) {
	var rows []string
	for _, ev := range events {
		var d checklist.Refusal
		if ev.Type != checklist.Refused || ev.Release != release || json.Unmarshal(ev.Data, &d) != nil {
			continue
		}
		rows = append(rows, fmt.Sprintf("- %s %s: %s %s, typed %q: %s", clock(ev.Time), cell(ev.Actor), cell(d.Verb), cell(d.Target), cell(d.Typed), cell(d.Reason)))
	}
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n## Refused\n\n%s\n", strings.Join(rows, "\n"))
	}
}
