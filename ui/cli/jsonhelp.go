package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gantry/pipeline"
)

// shapes is which verb prints what.
var shapes = []struct {
	verbs string
	shape any
}{
	{"every verb that fails", failureJSON{}},
	{"status", statusJSON{}},
	{"day", dayJSON{}},
	{"run, undo, promote, rollback, refresh, prune, verify, runs, resolve", runsJSON{}},
	{"plan", planJSON{}},
	{"targets", targetsJSON{}},
	{"snapshots", snapshotsJSON{}},
	{"review", reviewsJSON{}},
	{"each of its reviews", pipeline.Review{}},
	{"artifacts, stage", artifactsJSON{}},
	{"history", historyJSON{}},
	{"history --verify", verifiedJSON{}},
	{"clients", clientsJSON{}},
	{"lint", lintJSON{}},
	{"report", reportJSON{}},
	{"version", versionJSON{}},
	{"demo, init, open, close, tick, skip, early, clear, hold, cancel, adopt, report -o", doneJSON{}},
}

func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		fmt.Fprintln(a.err, "gantry: print:", err)
	}
}

// show prints v as JSON where that was asked for, else calls human.
func (a *app) show(v any, human func()) error {
	if a.json {
		a.printJSON(v)
	} else {
		human()
	}
	return nil
}

// jsonTopic is the help topic that documents the shapes.
func jsonTopic() *cobra.Command {
	var text strings.Builder
	text.WriteString(`With --json every verb prints one JSON object on stdout, and nothing else
there. Times are RFC 3339 in UTC, sizes bytes, digests SHA-256 in hex; what does
not apply is left out or empty. Foreign text is as it was found.
`)
	var seen []reflect.Type
	for _, s := range shapes {
		describe(&text, s.verbs, reflect.TypeOf(s.shape), &seen)
	}
	return &cobra.Command{Use: "json", Short: "What --json prints", Long: strings.TrimSpace(text.String())}
}

func describe(w io.Writer, title string, t reflect.Type, seen *[]reflect.Type) {
	if slices.Contains(*seen, t) {
		return
	}
	*seen = append(*seen, t)
	fmt.Fprintf(w, "\n%s:\n", title)
	type nested struct {
		title string
		t     reflect.Type
	}
	var below []nested
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		parts := ""
		switch {
		case inner.Kind() != reflect.Struct || inner == reflect.TypeFor[time.Time]():
		case inner.PkgPath() == t.PkgPath():
			below = append(below, nested{"in " + name + " of " + title, inner})
		default:
			parts = ": " + strings.Join(names(inner), ", ")
		}
		fmt.Fprintf(w, "  %-12s %s%s\n", name, f.Tag.Get("is"), parts)
	}
	for _, n := range below {
		describe(w, n.title, n.t, seen)
	}
}

// names are the fields of a struct as JSON has them.
func names(t reflect.Type) []string {
	var all []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		all = append(all, name)
	}
	return all
}
