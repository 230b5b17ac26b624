package ui

import (
	"context"
	"errors"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/pipeline"
	"gantry/storage"
)

// portion is how many artifacts are verified between two looks at the screen;
// enough that every processor has one to hash.
const portion = 64

// verify hashes artifacts in the background, a portion after the other.
func (s *artifactScreen) verify(which []int32) tea.Cmd {
	s.queue, s.total, s.wrong = slices.Clone(which), len(which), 0
	s.p = pipeline.NewProgress(nil)
	var bytes int64
	for _, i := range which {
		bytes += s.all[i].Load().Size
	}
	s.p.Phase("verify", pipeline.Bytes, bytes)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(s.m.ctx)
	return s.next(ctx)
}

func (s *artifactScreen) next(ctx context.Context) tea.Cmd {
	at := s.queue[:min(portion, len(s.queue))]
	as := make([]storage.Artifact, len(at))
	for j, i := range at {
		as[j] = *s.all[i].Load()
	}
	c, p := s.m.console, s.p
	return func() tea.Msg {
		out, err := c.VerifyArtifacts(ctx, as, p)
		return verifiedMsg{ctx: ctx, at: at, as: out, err: err}
	}
}

// verified takes verdicts in, and goes on with the next portion.
func (s *artifactScreen) verified(msg verifiedMsg) tea.Cmd {
	if !s.verifying() || msg.ctx.Err() != nil {
		return nil
	}
	if msg.err != nil && !errors.Is(msg.err, context.Canceled) {
		s.stop()
		s.m.tell("Not verified", msg.err)
		return nil
	}
	for j, i := range msg.at {
		if j < len(msg.as) && int(i) < len(s.all) {
			s.all[i].Store(&msg.as[j])
			if msg.as[j].Verdict != storage.Verified {
				s.wrong++
			}
		}
	}
	s.queue = s.queue[len(msg.at):]
	if len(s.queue) > 0 {
		return tea.Batch(s.next(msg.ctx), s.resieve())
	}
	s.stop()
	if s.wrong > 0 {
		s.m.flash = line{{plural(s.wrong, "artifact is", "artifacts are") + " not intact", bad}, {" of " + count(int64(s.total)), plain}}
	} else {
		s.m.flash = line{{"verified ", ok}, {plural(s.total, "artifact", "artifacts"), plain}}
	}
	return s.resieve()
}

// stop ends the verification; what was found stays.
func (s *artifactScreen) stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.cancel, s.queue = nil, nil
}
