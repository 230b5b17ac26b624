package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage/tunnel"
)

// Words of a state.
const (
	absentThere = "absent"   // it was not started
	starting    = "starting" //
	runs        = "runs"     //
	ended       = "ended"    // with an exit status
	gone        = "gone"     // without one: killed, or its machine restarted
)

// Times, which tests shorten.
var (
	fastest    = 300 * time.Millisecond // between two looks
	slowest    = 3 * time.Second
	startIn    = 2 * time.Minute // until it is known that it started
	stopIn     = 2 * time.Minute // until what was stopped has ended
	startsLong = 30 * time.Second
)

// far is one execution at the far end of a tunnel.
type far struct {
	env    *pipeline.Env
	tunnel config.Name
	name   string // of its directory there
	read   int64  // bytes of what it said
	say    func(string, ...any)
}

// state is how it is there.
type state struct {
	word   string
	status int  // of ended
	more   bool // it said something since
	whole  bool // all that it said until then was read
}

// end is how it ended, as status in words and as an error. what names it.
func (s state) end(what string) (string, error) {
	switch {
	case s.word == ended && s.status == 0:
		return "exit status 0", nil
	case s.word == ended:
		return fmt.Sprintf("exit status %d", s.status), fmt.Errorf("%s failed: exit status %d", what, s.status)
	case s.word == absentThere:
		return "", fmt.Errorf("%s was not started", what)
	case s.word == gone:
		return "", fmt.Errorf("%s was killed there, or its machine restarted: it left no exit status", what)
	}
	return "", fmt.Errorf("%s %w", what, pipeline.ErrGoesOn)
}

func (c *Call) far(env *pipeline.Env) *far {
	name := env.Run
	if c.Name != "" {
		name += "-" + c.Name
	}
	return &far{env: env, tunnel: c.Command.On, name: name, say: c.Say}
}

// there runs it at the far end of its tunnel, where it goes on whatever becomes
// of the connection and of this console.
func (c *Call) there(ctx context.Context, env *pipeline.Env) (string, error) {
	name := c.Command.Name
	f, out := c.far(env), c.out(mask{})
	defer out.end()
	args := append([]string{f.name, c.Command.Dir, leaderScript}, c.own(env)...)
	if err := f.start(ctx, append(args, c.Argv...)); err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	st, err := f.follow(ctx, out)
	if err != nil && !errors.Is(err, pipeline.ErrUnknown) {
		err = fmt.Errorf("%s was stopped: %w", name, err)
	}
	if err != nil {
		return "", err
	}
	out.end()
	status, err := st.end(string(name))
	if err != nil && st.word == ended {
		err = failed(name, status, out)
	}
	return status, err
}

// start starts it. Where it cannot be told whether it was, it is asked again: that
// starts nothing twice.
func (f *far) start(ctx context.Context, args []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	late, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), startIn, fmt.Errorf("no answer within %s", startIn))
	defer stop()
	begun := false
	err := f.patiently(late, func() error {
		var errs bounded
		err := f.env.Far(late, f.tunnel, line(startScript, args...), &bounded{}, &errs)
		var exit *tunnel.ExitError
		switch {
		case errors.As(err, &exit) && exit.Status == 73 && begun:
			return nil // it was started the first time
		case errors.As(err, &exit) && exit.Status == 73:
			return final{fmt.Errorf("a run of that name was there before: ~/.gantry/runs/%s", f.name)}
		case errors.As(err, &exit):
			return final{fmt.Errorf("%w: %s", exit, errs.text())}
		case err != nil && !errors.Is(err, tunnel.ErrDied) && !begun:
			return final{err}
		}
		begun = begun || errors.Is(err, tunnel.ErrDied)
		return err
	})
	if err != nil && begun && !errors.As(err, new(final)) {
		return fmt.Errorf("%w: %w", pipeline.ErrUnknown, err)
	}
	return err
}

// final is an error that asking again does not mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// patiently asks until there is an answer, while the far end cannot be reached.
func (f *far) patiently(ctx context.Context, ask func() error) error {
	first := true
	for delay := fastest; ; delay = min(2*delay, 30*time.Second) {
		err := ask()
		if err == nil && !first {
			f.say("the far end of %s answers again", f.tunnel)
		}
		if err == nil || ctx.Err() != nil || errors.As(err, new(final)) || errors.As(err, new(*tunnel.ExitError)) {
			return err
		}
		if first {
			f.say("%v; asking again", err)
			first = false
		}
		if over := wait(ctx, delay); over != nil {
			return fmt.Errorf("%w; last: %w", over, err)
		}
	}
}

// wait sleeps; it ends early, with its cause, when ctx does.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask asks how it is, and hands on what it said since. out may be nil.
func (f *far) ask(ctx context.Context, out *output) (state, error) {
	var said, errs bounded
	err := f.env.Far(ctx, f.tunnel, line(askScript, f.name, strconv.FormatInt(f.read+1, 10)), &said, &errs)
	if err != nil {
		if text := errs.text(); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return state{}, err
	}
	st, rest, err := parseState(said.bytes(), f.name)
	if err != nil {
		return st, err
	}
	if out != nil {
		f.read += int64(len(rest))
		out.Write(rest)
	}
	return st, nil
}

// parseState reads what askScript printed. What comes before it is of the shell's
// own beginning there.
func parseState(said []byte, name string) (state, []byte, error) {
	mark := []byte("\ngantry " + name + " ")
	i := bytes.Index(said, mark)
	if i < 0 {
		return state{}, nil, fmt.Errorf("the far end gave no answer that can be read: %q", config.Inert(clip(string(said), told)))
	}
	text, rest, ok := bytes.Cut(said[i+len(mark):], []byte("\n"))
	word, number, _ := strings.Cut(string(text), " ")
	st := state{word: word, more: len(rest) > 0, whole: len(rest) < chunk}
	switch word {
	case absentThere, starting, runs, gone:
		return st, rest, nil
	case ended:
		n, err := strconv.Atoi(number)
		if err == nil && ok && n >= 0 && n < 1<<16 {
			st.status = n
			return st, rest, nil
		}
	}
	return state{}, nil, fmt.Errorf("the far end says %q of it", config.Inert(clip(string(text), told)))
}

// follow hands on what it says until it has ended. When ctx ends, it is stopped,
// unless another console may be at it.
func (f *far) follow(ctx context.Context, out *output) (state, error) {
	st, err := f.watch(ctx, out, nil)
	cause := context.Cause(ctx)
	switch {
	case err == nil:
		return st, nil
	case cause == nil:
		return st, fmt.Errorf("%w: %w", pipeline.ErrUnknown, err)
	case errors.Is(cause, pipeline.ErrLost):
		return st, config.Hint(fmt.Errorf("%w: it goes on there: %w", pipeline.ErrUnknown, cause), config.HintOf(cause))
	}
	f.say("%v: stopping it at the far end of %s", cause, f.tunnel)
	late, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), stopIn, fmt.Errorf("it has not ended within %s", stopIn))
	defer stop()
	hard := time.Now().Add(grace)
	st, err = f.watch(late, out, func() error {
		signal := "TERM"
		if time.Now().After(hard) {
			signal = "KILL"
		}
		return f.env.Far(late, f.tunnel, line(stopScript, f.name, signal), &bounded{}, &bounded{})
	})
	if err != nil {
		return st, fmt.Errorf("%w: %v, but it may go on at the far end of %s: %w", pipeline.ErrUnknown, cause, f.tunnel, err)
	}
	return st, cause
}

// watch asks again and again until it has ended; before each time it does what it
// is given, if that.
func (f *far) watch(ctx context.Context, out *output, before func() error) (state, error) {
	began := time.Now()
	for delay := fastest; ; delay = min(delay*5/4, slowest) {
		var st state
		err := f.patiently(ctx, func() (err error) {
			if before != nil {
				if err := before(); err != nil {
					return err
				}
			}
			st, err = f.ask(ctx, out)
			return err
		})
		switch {
		case err != nil:
			return st, err
		case st.word == runs, st.word == starting && time.Since(began) < startsLong:
			if st.more {
				delay = fastest
			}
		case !st.whole && !out.full():
			continue // what is said from here on is of something that outlives it, and has no end
		case st.word == starting:
			st.word = gone
			fallthrough
		default:
			if st.word == gone { // what it started may be there still
				if err := f.env.Far(ctx, f.tunnel, line(stopScript, f.name, "KILL"), &bounded{}, &bounded{}); err != nil {
					f.say("what it started may still run at the far end of %s: %v", f.tunnel, err)
				}
			}
			// What it said is here now; what cannot be removed there is left.
			_ = f.env.Far(ctx, f.tunnel, line(clearScript, f.name), &bounded{}, &bounded{})
			return st, nil
		}
		if err := wait(ctx, delay); err != nil {
			return st, err
		}
	}
}

// bounded keeps the beginning of what the far end writes.
type bounded struct {
	mu sync.Mutex
	b  []byte
}

const (
	chunk       = 1 << 20        // bytes that askScript hands on of what a run said
	boundedMost = chunk + 64<<10 // with what the shell there says first
)

// Write keeps what there is room for.
func (w *bounded) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, b[:min(len(b), boundedMost-len(w.b))]...)
	return len(b), nil
}

func (w *bounded) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b
}

// text is it on one line, short.
func (w *bounded) text() string {
	return config.Inert(clip(strings.Join(strings.Fields(strings.ToValidUTF8(string(w.bytes()), "?")), " "), told))
}
