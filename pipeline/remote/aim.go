package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

// aim is what was confirmed: which workflow runs at which commit, with what. It
// is the facts of the plan, and nothing else is acted on.
type aim struct {
	forge, repository string
	workflow          string // path of the file
	ref, sha          string
	inputs            map[string]string // as they are sent
	defaults          map[string]string // of inputs that are not sent
	correlation       string            // the input that holds the id of our run, empty where there is none
	runName           string            // template of the run's title
}

const (
	inputPrefix   = "input "
	defaultPrefix = "default of "
)

// facts is the aim as the plan shows it.
func (a aim) facts() map[string]string {
	f := map[string]string{"forge": a.forge, "repository": a.repository, "workflow": a.workflow, "ref": a.ref, "commit": a.sha}
	for name, value := range a.inputs {
		f[inputPrefix+name] = value
	}
	for name, value := range a.defaults {
		f[defaultPrefix+name] = value
	}
	if a.correlation != "" {
		f["filled in"] = a.correlation
	}
	if a.runName != "" {
		f["run name"] = a.runName
	}
	return f
}

// aimed reads the facts of a plan.
func aimed(facts map[string]string) (aim, error) {
	a := aim{
		forge: facts["forge"], repository: facts["repository"], workflow: facts["workflow"], ref: facts["ref"], sha: facts["commit"],
		correlation: facts["filled in"], runName: facts["run name"], inputs: map[string]string{}, defaults: map[string]string{},
	}
	if a.repository == "" || a.workflow == "" || a.ref == "" || a.sha == "" {
		return a, errors.New("the plan does not say what to run")
	}
	for name, value := range facts {
		if input, ok := strings.CutPrefix(name, inputPrefix); ok {
			a.inputs[input] = value
		}
		if input, ok := strings.CutPrefix(name, defaultPrefix); ok {
			a.defaults[input] = value
		}
	}
	return a, nil
}

// answer is what can be told of a run that may be about the same thing.
type answer int

const (
	unknown answer = iota
	yes
	no
)

// same tells whether a run has the inputs of the aim. GitHub and Gitea do not
// tell the inputs; there the run's title does, where the workflow has a run-name
// that names them.
func (a aim) same(r forge.Run) answer {
	if r.Inputs != nil {
		for _, values := range []map[string]string{a.inputs, a.defaults} {
			for name, value := range values {
				if r.Inputs[name] != value {
					return no
				}
			}
		}
		return yes
	}
	return a.titled(r, "")
}

// started tells whether a run is the one that our run with this id started.
func (a aim) started(r forge.Run, run string) answer {
	switch {
	case a.correlation == "" || run == "":
		return unknown
	case r.Inputs != nil:
		if r.Inputs[a.correlation] == run {
			return yes
		}
		return no
	}
	for _, m := range expressionForm.FindAllStringSubmatch(a.runName, -1) {
		if m[1] == a.correlation {
			return a.titled(r, run)
		}
	}
	return unknown
}

var (
	anyExpressionForm = regexp.MustCompile(`\$\{\{.*?\}\}`)
	expressionForm    = regexp.MustCompile(`\$\{\{\s*(?:github\.event\.)?inputs\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}`)
)

// titled tells whether a run's title is what the workflow's run-name makes of
// our inputs. Without a run, any id of one will do; what else gantry cannot
// evaluate may stand for anything.
func (a aim) titled(r forge.Run, run string) answer {
	const most = 250 // characters of a title that are told whole
	if a.runName == "" {
		return unknown
	}
	var b strings.Builder
	at, told, size := 0, false, len(a.runName)
	for _, span := range anyExpressionForm.FindAllStringIndex(a.runName, -1) {
		b.WriteString(regexp.QuoteMeta(a.runName[at:span[0]]))
		at = span[1]
		value, known := "", false
		if m := expressionForm.FindStringSubmatch(a.runName[span[0]:span[1]]); m != nil {
			value, known = a.value(m[1], run)
		}
		if !known {
			b.WriteString(".*")
			continue
		}
		told = true
		size += len(value)
		b.WriteString(regexp.QuoteMeta(value))
	}
	b.WriteString(regexp.QuoteMeta(a.runName[at:]))
	if !told || size > most {
		return unknown
	}
	pattern, err := regexp.Compile(`^\s*` + strings.TrimSpace(b.String()) + `\s*$`)
	switch {
	case err != nil:
		return unknown
	case pattern.MatchString(r.Title):
		return yes
	}
	return no
}

// value is what an input has that a title shows as it is.
func (a aim) value(name, run string) (string, bool) {
	if name == a.correlation {
		return run, run != ""
	}
	value, ok := a.inputs[name]
	if !ok {
		value, ok = a.defaults[name]
	}
	return value, ok && !numberForm.MatchString(value) || ok && wholeForm.MatchString(value)
}

// wholeForm is a number that no server writes in another way.
var wholeForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// trusted refuses a run that is not the one that was confirmed.
func (a aim) trusted(r forge.Run) error {
	var wrong []string
	differ := func(what, is, want string) {
		if is != want {
			wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", what, orNothing(is), want))
		}
	}
	if !strings.EqualFold(r.Repository, a.repository) {
		differ("its repository", r.Repository, a.repository)
	}
	if r.Workflow != path.Base(a.workflow) { // Gitea and Forgejo tell the name alone
		differ("its workflow", r.Workflow, a.workflow)
	}
	differ("its event", r.Event, "workflow_dispatch")
	differ("its ref", r.Ref, forge.ShortRef(a.ref))
	differ("its commit", r.SHA, a.sha)
	if (r.Inputs != nil || r.Over) && a.same(r) == no { // a title may come late
		wrong = append(wrong, "it ran with other inputs")
	}
	if len(wrong) == 0 {
		return nil
	}
	return config.Hint(fmt.Errorf("run %d of %s is not what was confirmed: %s", r.ID, a.repository, strings.Join(wrong, "; ")),
		"look at it: "+orNothing(r.URL)+"; then plan again")
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// recent are the last runs of the workflow.
func (a aim) recent(ctx context.Context, c *forge.Client) ([]forge.Run, error) {
	const most = 100
	seen := 0
	return c.Dispatched(ctx, path.Base(a.workflow), func(forge.Run) bool {
		seen++
		return seen > most
	})
}

// beside looks at the runs that have not ended. GitHub keeps one run waiting for
// each concurrency group and drops it when another comes: so nothing is dispatched
// beside a run that is about the same thing, nor while one waits of which that
// cannot be told.
func (a aim) beside(runs []forge.Run) (warnings []string, err error) {
	for _, r := range runs {
		if r.Over {
			continue
		}
		words := fmt.Sprintf("run %d of %s, by %s, has not ended (%s)", r.ID, path.Base(a.workflow), orNothing(r.Actor), r.Status)
		waits := slices.Contains([]string{"pending", "waiting", "blocked", "requested"}, r.Status)
		switch same := a.same(r); {
		case same == yes:
			return nil, &pipeline.RefusedError{Reason: words + " and is about the same", Hint: "wait for it, or stop it: " + r.URL}
		case same == unknown && waits:
			return nil, &pipeline.RefusedError{
				Reason: words + " and may be about the same: another dispatch could drop it",
				Hint:   "wait for it, or stop it: " + r.URL + "; a run-name that shows the inputs tells such runs apart"}
		case same == unknown:
			warnings = append(warnings, fmt.Sprintf("run %d of %s, by %s, has not ended, and may be about the same", r.ID, path.Base(a.workflow), orNothing(r.Actor)))
		}
	}
	slices.Sort(warnings)
	return warnings, nil
}

// sent are the inputs of a dispatch of our run.
func (a aim) sent(run string) map[string]string {
	all := maps.Clone(a.inputs)
	if a.correlation != "" && run != "" {
		all[a.correlation] = run
	}
	return all
}
