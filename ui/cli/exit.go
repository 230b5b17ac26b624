package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
	"gantry/ui/cli/demo"
)

// code is the exit code that an error stands for.
func code(err error) int {
	var (
		refused  *pipeline.RefusedError
		confirm  *pipeline.ConfirmError
		conflict *pipeline.ConflictError
		usage    *usageError
		bad      config.Errors
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &bad):
		return exitUsage
	case errors.As(err, &confirm), errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &conflict), errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrLocked):
		return exitConflict
	default:
		return exitFailed
	}
}

// hint is what the operator can do about an error, empty if nothing is known.
func hint(err error) string {
	var (
		refused  *pipeline.RefusedError
		confirm  *pipeline.ConfirmError
		conflict *pipeline.ConflictError
		usage    *usageError
	)
	switch {
	case errors.As(err, &confirm):
		return "read the plan, then say its phrase: --confirm " + shell(confirm.Phrase)
	case errors.As(err, &refused) && refused.Hint != "":
		return refused.Hint
	case errors.As(err, &conflict) && conflict.Hint != "":
		return conflict.Hint
	case config.HintOf(err) != "":
		return config.HintOf(err)
	case errors.As(err, &usage):
		return "gantry --help lists the verbs, gantry VERB --help explains one"
	case errors.Is(err, context.Canceled):
		return "it was interrupted; gantry status shows where things stand"
	}
	return ""
}

// toldError is a failure that the object which --json prints tells already.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// report prints an error the way it was asked for and returns its exit code.
func (a *app) report(err error) int {
	c := code(err)
	if err == nil {
		return c
	}
	var confirm *pipeline.ConfirmError
	errors.As(err, &confirm)
	advice := demo.Hint(filepath.Dir(a.config), err)
	if advice == "" {
		advice = hint(err)
	}
	var told *toldError
	if a.json && errors.As(err, &told) {
		return c
	}
	if a.json {
		f := failureJSON{Error: config.Inert(err.Error()), Hint: config.Inert(advice), Code: c, Runs: a.made}
		if confirm != nil {
			f.Phrase = confirm.Phrase
			if confirm.Group != nil {
				for _, p := range confirm.Group.Plans {
					f.Plans = append(f.Plans, *newPlanJSON(p))
				}
			} else {
				f.Plan = newPlanJSON(confirm.Plan)
			}
		}
		a.printJSON(f)
		return c
	}
	var bad config.Errors
	if errors.As(err, &bad) {
		for _, one := range bad {
			fmt.Fprintln(a.err, config.Inert(one.Error()))
		}
	} else {
		fmt.Fprintln(a.err, a.paint(a.errTTY, red, "gantry:"), config.Inert(err.Error()))
	}
	if advice != "" {
		fmt.Fprintln(a.err, a.paint(a.errTTY, yellow, "hint:"), config.Inert(advice))
	}
	return c
}
