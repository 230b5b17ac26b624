package repository

import (
	"context"
	"fmt"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// staged lists the target's artifacts. One that cannot be released is an error,
// and so is an empty set.
func (w *World) staged(ctx context.Context) ([]storage.Artifact, error) {
	var all []storage.Artifact
	for _, place := range pipeline.Places(w.Target) {
		as, err := w.Env.Staging.List(ctx, place)
		if err != nil {
			return nil, err
		}
		all = append(all, as...)
	}
	var odd []string
	hint := ""
	for _, a := range all {
		if a.Verdict == storage.Unverified || a.Verdict == storage.Verified {
			continue
		}
		odd = append(odd, fmt.Sprintf("%s is %s (%s)", config.Inert(Clip(a.File)), strings.ReplaceAll(string(a.Verdict), "-", " "), config.Inert(Clip(a.Detail))))
		if hint == "" {
			hint = WaysOut[a.Verdict]
		}
	}
	if len(odd) > 0 {
		return nil, config.Hint(fmt.Errorf("%s: %s", Count(len(odd), "staged file cannot be released", "staged files cannot be released"), Few(odd, "; ")), hint)
	}
	if len(all) == 0 {
		var prefixes []string
		for _, place := range pipeline.Places(w.Target) {
			prefixes = append(prefixes, place.Prefix())
		}
		return nil, config.Hint(fmt.Errorf("nothing is staged for %s", w.Target.Name),
			fmt.Sprintf("put files and their .sha256 into %s: gantry stage %s FILE...", strings.Join(prefixes, " or "), w.Target.Name))
	}
	return all, nil
}

// WaysOut says what to do about artifacts that cannot be released.
var WaysOut = map[storage.Verdict]string{
	storage.Mismatch:         "upload it again, with the sidecar that its builder made",
	storage.MissingSidecar:   "upload its .sha256 too, or wait for the upload to end",
	storage.OrphanSidecar:    "upload the package too, or remove the sidecar",
	storage.MalformedSidecar: "upload the sidecar again: the SHA-256 of the file in hex",
	storage.BadName:          "remove it from the staging area, or stage it under a plain name",
	storage.Symlink:          "put the file itself there: links are never followed",
}

// NotReleasable says of a staged file that it is not fit to be released.
func NotReleasable(a storage.Artifact, err error) error {
	err = fmt.Errorf("the staged file %s cannot be released: %w", config.Inert(Clip(a.File)), err)
	if config.HintOf(err) != "" {
		return err
	}
	return config.Hint(err, "stage the package that its builder made, or remove it: gantry artifacts shows what is staged")
}
