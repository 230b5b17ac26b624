package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

type dayJSON struct {
	Now      time.Time     `json:"now" is:"when this was so"`
	Releases []dueJSON     `json:"releases" is:"those that are open, the oldest first"`
	Watched  []watchedJSON `json:"watched" is:"probes of release.yaml with watch: true"`
	HalfDone []string      `json:"half_done" is:"what was begun on a target and not ended, and what to do"`
}

type dueJSON struct {
	ID    string       `json:"id" is:"what --release takes"`
	Due   time.Time    `json:"due,omitzero" is:"when it is due"`
	ETA   time.Time    `json:"eta,omitzero" is:"when it is done at the earliest, by what its items took before and by their windows"`
	Done  int          `json:"done" is:"items done or waived"`
	Total int          `json:"total" is:"items"`
	Items []agendaJSON `json:"items" is:"what can be done, what waits for its time, and what comes free next"`
	More  int          `json:"more" is:"items that wait for these"`
}

type agendaJSON struct {
	ID     string    `json:"id" is:"what run, plan, tick and skip take"`
	Title  string    `json:"title" is:"what must be true"`
	Risk   string    `json:"risk" is:"safe, staging or production"`
	Status string    `json:"status" is:"as status has it"`
	After  string    `json:"after,omitempty" is:"first item that it waits for"`
	Opens  time.Time `json:"opens,omitzero" is:"when its window opens"`
	Closes time.Time `json:"closes,omitzero" is:"when it becomes late"`
	Late   bool      `json:"late,omitempty" is:"it is late"`
	Usual  float64   `json:"usual,omitempty" is:"seconds that it took before"`
}

type watchedJSON struct {
	Name  string    `json:"name" is:"name of the probe"`
	URL   string    `json:"url" is:"that answered, or that was asked"`
	OK    bool      `json:"ok" is:"it answers as it should"`
	Words string    `json:"words" is:"what it answered, or what is wrong"`
	Since time.Time `json:"since,omitzero" is:"the first look of this call that went so"`
}

// glance is how often --watch looks.
const glance = 15 * time.Second

func (a *app) dayVerb() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "day", GroupID: groupRelease, Short: "all open releases: time to go, windows, what is next, what the world sees",
		Long: `Of every open release: the time until it is due, when it is done at the earliest,
what can be done now, what waits for its window, and what comes free next and after
what. Then the probes of release.yaml with watch: true, each looked at once.

--watch looks again every 15 seconds until it is interrupted.`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(e *pipeline.Engine, _ *config.Release) error { return a.day(cmd.Context(), e, watch) })
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "look again every 15 seconds")
	return cmd
}

func (a *app) day(ctx context.Context, e *pipeline.Engine, watch bool) error {
	for {
		e.Watch(ctx)
		v := e.View()
		if watch && a.outTTY && !a.json {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J")
		}
		if err := a.show(newDayJSON(v), func() { a.printDay(v) }); err != nil || !watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // that is how it ends
		case <-time.After(glance):
		}
		if err := e.Refresh(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func newDayJSON(v pipeline.View) dayJSON {
	j := dayJSON{Now: v.Now, Releases: []dueJSON{}, Watched: []watchedJSON{}, HalfDone: []string{}}
	for i := range v.Days {
		day := &v.Days[i]
		items, more := day.Agenda()
		r := dueJSON{ID: day.Release.ID, Due: day.Release.Due, ETA: day.ETA(v.Now), Done: day.Done, Total: day.Total, Items: []agendaJSON{}, More: more}
		for _, it := range items {
			one := agendaJSON{ID: it.ID, Title: it.Title, Risk: string(it.Risk), Status: string(it.Status), Opens: it.Opens, Closes: it.Closes, Late: it.Late, Usual: it.Usual.Seconds()}
			if first, ok := day.Awaits(it); ok {
				one.After = first.ID
			}
			r.Items = append(r.Items, one)
		}
		j.Releases = append(j.Releases, r)
	}
	for _, p := range v.Watched {
		j.Watched = append(j.Watched, watchedJSON{Name: p.Name, URL: p.URL, OK: p.OK, Words: p.Words, Since: p.Since})
	}
	for _, t := range v.Targets {
		for _, words := range t.Apart {
			j.HalfDone = append(j.HalfDone, t.Name+": "+words)
		}
	}
	return j
}

func (a *app) printDay(v pipeline.View) {
	fmt.Fprintf(a.out, "%s  %s\n", a.paint(a.outTTY, bold, v.Product), clock(v.Now))
	if v.Hold != nil {
		fmt.Fprintf(a.out, "%s by %s since %s: %s\n", a.paint(a.outTTY, red, "HOLD"), v.Hold.Actor, clock(v.Hold.Time), config.Inert(v.Hold.Reason))
	}
	for _, t := range v.Targets {
		for _, words := range t.Apart {
			fmt.Fprintf(a.out, "%s %s: %s\n", a.paint(a.outTTY, red, "HALF DONE"), t.Name, words)
		}
	}
	for i := range v.Days {
		a.printAgenda(&v.Days[i], v.Now)
	}
	if len(v.Days) == 0 {
		fmt.Fprintln(a.out, "no release is open: gantry open KIND VERSION")
	}
	if len(v.Watched) == 0 {
		return
	}
	fmt.Fprintln(a.out, "\nwhat the world sees")
	var rows [][]string
	for _, p := range v.Watched {
		word := a.paint(a.outTTY, green, "up")
		if !p.OK {
			word = a.paint(a.outTTY, red, "DOWN")
		}
		rows = append(rows, []string{"  " + word, p.Name, p.Words})
	}
	a.table(rows)
}

// printAgenda prints what of a release is worth a line.
func (a *app) printAgenda(day *checklist.View, now time.Time) {
	items, more := day.Agenda()
	line := a.paint(a.outTTY, bold, day.Release.ID)
	if due := day.Release.Due; !due.IsZero() {
		line += "  " + tMinus(due.Sub(now))
	}
	if eta := day.ETA(now); !eta.IsZero() {
		line += "  ETA " + clock(eta)
		if due := day.Release.Due; !due.IsZero() && eta.After(due) {
			line += " " + a.paint(a.outTTY, red, "LATE")
		}
	}
	fmt.Fprintf(a.out, "\n%s  %d/%d done\n", line, day.Done, day.Total)
	var rows [][]string
	for _, it := range items {
		rows = append(rows, []string{"  " + a.word(string(it.Status)), it.ID, strings.TrimSpace(a.when(day, it, now)), it.Title})
	}
	a.table(rows)
	if more > 0 {
		fmt.Fprintf(a.out, "  and %d more after these\n", more)
	}
}

// when is when or after what an item goes on.
func (a *app) when(day *checklist.View, it checklist.ItemView, now time.Time) string {
	late := ""
	if it.Late {
		late = a.paint(a.outTTY, red, "LATE") + " "
	}
	switch first, waits := day.Awaits(it); {
	case it.Status == checklist.StatusBlocked && waits:
		return late + "after " + first.ID
	case it.Status == checklist.StatusWaiting && it.Opens.After(now):
		return late + "opens in " + it.Opens.Sub(now).Round(time.Minute).String()
	case it.Closes.After(now):
		return late + it.Closes.Sub(now).Round(time.Minute).String() + " left"
	case it.Usual > 0:
		return late + "~" + span(it.Usual)
	}
	return late
}
