package rpm

import (
	"context"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// trade is RPM repositories.
type trade struct{ repository.OpenPGP }

// Make makes the step of an item on an RPM target; see repository.Make for verbs
// and options.
//
// A target serves packages of its own architecture and noarch ones. Those of an
// architecture that it could run besides, such as i686 on x86_64, are refused:
// nothing says that a release is meant to be multilib, and a package that went
// astray is the likelier reason.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	return repository.Make(cfg, item, config.FormatRPM, trade{})
}

// Face is what clients of a target look at first: the mirrorlist, which names one
// snapshot.
func Face(*config.Target) storage.Face {
	return storage.Face{File: mirrorlistPath, ID: func(list []byte) (string, error) {
		address, err := onlyLine(list)
		if err != nil {
			return "", err
		}
		id, ok := strings.CutSuffix(address[strings.LastIndex(strings.TrimSuffix(address, "/"), "/")+1:], "/")
		if !ok {
			return "", fmt.Errorf("it names %s, which is no snapshot", config.Inert(clip(address)))
		}
		return id, nil
	}}
}

// Traits are what is always so of RPM repositories.
func (trade) Traits() repository.Traits {
	return repository.Traits{
		Noun: "an RPM repository", Forward: true,
		Down: "they go down with dnf distro-sync", Stale: "dnf --refresh",
	}
}

// world is a target as it is at a moment, with its tree of files.
type world struct {
	*repository.World
	tree storage.Tree
}

// at is the world of a step of this trade.
func at(w *repository.World) (*world, error) {
	tree, ok := w.Served.(storage.Tree)
	if !ok {
		return nil, fmt.Errorf("%s is not served as files", w.Target.Name)
	}
	return &world{w, tree}, nil
}

// Survey identifies the staged packages and chooses those of the snapshot.
func (trade) Survey(ctx context.Context, of *repository.World, artifacts []storage.Artifact, from repository.Lineage) (*repository.Survey, error) {
	w, err := at(of)
	if err != nil {
		return nil, err
	}
	staged, err := w.ingest(ctx, artifacts, from.Key)
	if err != nil {
		return nil, err
	}
	chosen, warnings, err := w.choose(ctx, staged, from.Key)
	if err != nil {
		return nil, err
	}
	s := &repository.Survey{Packages: make([]storage.File, len(chosen)), Warnings: warnings}
	for i, c := range chosen {
		s.Packages[i] = c.asFile()
		if !c.ready {
			s.Fresh++
		}
	}
	s.Publish = func(ctx context.Context, like *repository.Snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
		key, err := repository.SigningKey(w.Config, w.Target, w.Env.Now())
		if err != nil {
			return nil, err
		}
		m, err := w.publish(ctx, chosen, key, from, storage.Manifest{Base: w.Production}, like, p)
		if err != nil {
			return nil, err
		}
		return m.evidence(), nil
	}
	return s, nil
}

// Compare compares two EVRs as rpm does.
func (trade) Compare(a, b string) int { return repodata.CompareEVR(a, b) }

// Pruned has nothing to do: packages lie in the snapshots.
func (trade) Pruned(context.Context, *repository.World, []*repository.Snapshot, *pipeline.Progress) error {
	return nil
}
