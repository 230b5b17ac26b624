package job

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

const (
	lineMost = 4 << 10  // bytes of one line that are kept together
	logsMost = 32 << 20 // bytes of all logs of a run that are kept
	sameMost = 10_000   // lines of one moment that are known again
)

// followMost is how many logs are followed at a time, each by a kubectl of its
// own: those of more containers come when others have ended.
var followMost = 32

// endIn is how long the logs of Jobs that have ended may take to come to an end.
var endIn = 30 * time.Second

// streams are the logs of the containers of a run, followed live.
type streams struct {
	f       *follower
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	room    chan struct{} // for those that are followed

	mu    sync.Mutex
	begun map[string]*stream
	kept  int
}

// stream is the log of a container between two of its starts.
type stream struct {
	all             *streams
	arch, pod, name string
	over            chan struct{} // closed when the container has ended

	last time.Time // time of the last line that was logged
	same []string  // the lines of that time
	rest []byte
	seen []string // of them, those that the stream will repeat; nil once it is past them
	past bool     // what comes now was not logged before
}

func newStreams(ctx context.Context, f *follower) *streams {
	s := &streams{f: f, begun: map[string]*stream{}, room: make(chan struct{}, followMost)}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// follow begins to follow the logs that there are, once each, and notes which
// containers have ended.
func (s *streams) follow(pods []pod) {
	present := map[string]bool{}
	for i := range pods {
		p := &pods[i]
		for _, c := range p.statuses() {
			key := fmt.Sprintf("%s/%s/%d", p.Meta.UID, c.Name, c.RestartCount)
			present[key] = c.State.Terminated == nil
			st := s.begun[key]
			if st == nil && (c.State.Running != nil || c.State.Terminated != nil) {
				st = &stream{all: s, arch: s.f.arch(p), pod: p.Meta.Name, name: c.Name, over: make(chan struct{})}
				s.begun[key] = st
				s.running.Go(st.follow)
			}
		}
	}
	for key, st := range s.begun {
		if alive := present[key]; !alive { // it has ended, was started again, or went with its pod
			select {
			case <-st.over:
			default:
				close(st.over)
			}
		}
	}
}

// end waits for the logs to come to their end, for a while where that is wanted.
func (s *streams) end(whole bool) {
	if whole {
		s.follow(nil) // nothing runs any more
		late := time.AfterFunc(endIn, s.stop)
		defer late.Stop()
	} else {
		s.stop()
	}
	s.running.Wait()
	s.stop()
}

// follow logs what the container says until it has ended, also where the stream
// is cut meanwhile.
func (st *stream) follow() {
	ctx, f := st.all.ctx, st.all.f
	select {
	case st.all.room <- struct{}{}:
		defer func() { <-st.all.room }()
	case <-ctx.Done():
		return
	}
	failed := 0
	for delay := fastest; ; delay = min(2*delay, longest) {
		over := closed(st.over)
		query := url.Values{"container": {st.name}, "follow": {"true"}, "timestamps": {"true"}}
		if !st.last.IsZero() {
			query.Set("sinceTime", st.last.UTC().Truncate(time.Second).Format(time.RFC3339))
		}
		path := f.cluster.pods() + "/" + url.PathEscape(st.pod) + "/log?" + query.Encode()
		var errs bytes.Buffer
		before := st.last
		st.rest, st.seen, st.past = nil, slices.Clone(st.same), st.last.IsZero()
		err := f.cluster.kubectl.start(ctx, nil, st, &errs, []string{"get", "--raw", path})
		st.flush()
		if ctx.Err() != nil || over && err == nil {
			return
		}
		if st.last.After(before) {
			delay, failed = fastest, 0
		}
		if err != nil && over {
			if failed++; failed >= 3 || reason(err) == "NotFound" {
				f.say(st.arch, "the rest of what %s/%s said is lost: %v", st.pod, st.name, err)
				return
			}
		}
		pause := time.NewTimer(delay)
		select {
		case <-pause.C:
		case <-st.waiting(over):
		case <-ctx.Done():
			pause.Stop()
			return
		}
		pause.Stop()
	}
}

// waiting is the end of the container, for those who have not seen it yet.
func (st *stream) waiting(seen bool) chan struct{} {
	if seen {
		return nil
	}
	return st.over
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Write takes a part of the log.
func (st *stream) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			st.rest = append(st.rest, b...)
			break
		}
		st.rest = append(st.rest, b[:i]...)
		st.flush()
		b = b[i+1:]
	}
	for len(st.rest) > 2*lineMost { // the beginning of a line without an end
		whole := st.rest
		st.rest = whole[:lineMost]
		stamp, _, _ := bytes.Cut(st.rest, []byte(" "))
		next := append(append(append([]byte{}, stamp...), ' '), whole[lineMost:]...)
		st.flush()
		st.rest = next
		if len(stamp) > 64 { // no time begins it
			st.rest = nil
		}
	}
	return n, nil
}

// flush logs the line that has come together, unless it was logged before the
// stream was cut.
func (st *stream) flush() {
	line := string(st.rest)
	st.rest = nil
	if line == "" {
		return
	}
	stamp, text, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	switch {
	case err != nil:
		text = line // such as an error of the server within the stream
	case !st.past && at.Before(st.last):
		return
	case !st.past && at.Equal(st.last):
		if i := slices.Index(st.seen, text); i >= 0 {
			st.seen = slices.Delete(st.seen, i, i+1)
			return
		}
	}
	if err == nil && at.After(st.last) {
		st.last, st.same, st.past = at, nil, true
	}
	if err == nil && at.Equal(st.last) && len(st.same) < sameMost {
		st.same = append(st.same, text)
	}
	st.all.log(st.arch, text)
}

// log writes a line into the log of the run, while there is room.
func (s *streams) log(arch, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept >= logsMost {
		return
	}
	text = strings.TrimRight(text, "\r")
	for len(text) > lineMost {
		s.f.say(arch, "%s", config.Inert(strings.ToValidUTF8(text[:lineMost], "?")))
		text = text[lineMost:]
	}
	s.f.say(arch, "%s", config.Inert(text))
	if s.kept += len(text) + 32; s.kept >= logsMost {
		s.f.p.Logf("what the Jobs say from here on is not kept: it is more than %d MiB", logsMost>>20)
	}
}
