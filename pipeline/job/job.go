// Package job runs work on a Kubernetes cluster as an item: one Job per
// architecture, by the operator's own kubectl, which brings their authentication.
// Where a Job completed, what proves its work must be there as well.
package job

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
	"gantry/pipeline/placeholder"
)

type step struct {
	cfg    *config.Release
	job    config.Job
	item   string
	target string
}

// Make makes the step of an item that uses job. Its option name is that of a job
// of the configuration.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	j, ok := cfg.Job(item.With["name"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s runs job %q, which the configuration does not have", item.ID, config.Inert(item.With["name"])),
			"write it under jobs in release.yaml")
	}
	s := &step{cfg: cfg, job: *j, item: item.ID, target: item.Target}
	s.job.Timeout = cmp.Or(s.job.Timeout, config.Duration(6*time.Hour))
	if len(s.job.Proofs) == 0 {
		return nil, config.Hint(fmt.Errorf("nothing proves that job %s did its work", j.Name), "write proofs of the job: a Job completes whatever its last command says")
	}
	return s, nil
}

// arches are the architectures that it is run for; the empty one alone where it
// has none.
func (s *step) arches() []string {
	if len(s.job.Arch) == 0 {
		return []string{""}
	}
	all := make([]string, len(s.job.Arch))
	for i, a := range s.job.Arch {
		all[i] = string(a)
	}
	return all
}

// manifests are those of a release, by architecture.
func (s *step) manifests(words map[string]string) (map[string]*manifest, error) {
	text, err := readManifest(s.cfg.Path(s.job.Manifest))
	if err != nil {
		return nil, err
	}
	all := map[string]*manifest{}
	for _, arch := range s.arches() {
		if all[arch], err = parseManifest(text, wordsOf(words, arch)); err != nil {
			return nil, fmt.Errorf("manifest %s: %w", config.Inert(s.job.Manifest), err)
		}
	}
	return all, nil
}

func wordsOf(words map[string]string, arch string) map[string]string {
	if arch == "" {
		return words
	}
	words = maps.Clone(words)
	words["arch"] = arch
	return words
}

// Plan shows which Jobs would be made, and where. It asks kubectl which cluster
// that is, not the cluster.
func (s *step) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if err := command.Refuse("job "+string(s.job.Name), s.job.Never, env.Kind); err != nil {
		return pipeline.Plan{}, err
	}
	all, err := s.manifests(placeholder.Words(env, s.target))
	if err != nil {
		return pipeline.Plan{}, err
	}
	k := s.kubectl()
	at, err := k.place(ctx, s.job.Namespace, all[s.arches()[0]])
	if err != nil {
		return pipeline.Plan{}, err
	}
	facts := map[string]string{"kubectl": strings.Join(k.argv, " "), "cluster": at.Server, "namespace": at.Namespace}
	var warnings []string
	for _, arch := range s.arches() {
		m := all[arch]
		facts[under("manifest", arch)] = m.digest()
		facts[under("images", arch)] = strings.Join(m.images(), " ")
		if m.brief() && len(warnings) == 0 {
			warnings = append(warnings, "the cluster removes the Job within a day of its end (ttlSecondsAfterFinished): how it ended cannot be looked up after that")
		}
	}
	title := fmt.Sprintf("Run job %s in %s", s.job.Name, at.Namespace)
	if n := len(s.job.Arch); n > 0 {
		title += fmt.Sprintf(", for %d architectures", n)
	}
	return pipeline.Plan{Title: title, Facts: facts, Warnings: warnings}, nil
}

func under(fact, arch string) string { return strings.TrimSpace(fact + " " + arch) }

// name is that of a Job in the cluster: the same whenever it is asked for in one
// run, and another in each run, so that no Job is taken for that of another run.
func (s *step) name(env *pipeline.Env, arch string) string {
	const most = 63 // of a name that is a label of its pods
	sum := sha256.Sum256([]byte(strings.Join([]string{env.Release, s.item, env.Run, string(s.job.Name), arch}, "\x00")))
	end := "-" + hex.EncodeToString(sum[:6])
	if arch != "" {
		end = "-" + strings.ReplaceAll(arch, "_", "-") + end
	}
	begin := strings.ToLower(strings.ReplaceAll(string(s.job.Name), "_", "-"))
	return strings.TrimRight(begin[:min(len(begin), most-len(end))], "-") + end
}
