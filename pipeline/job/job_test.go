package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/job"
)

const manifest = `apiVersion: batch/v1
kind: Job
metadata:
  name: buildiso
  labels: {app: empanadas}
spec:
  backoffLimit: 4
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {"kubernetes.io/arch": "{arch}"}
      containers:
        - name: build
          image: ghcr.io/rocky-linux/sig-core-toolkit:latest
          command: [/bin/bash, -c, "build-iso --release {major} {rc-flag} && upload {revision}{suffix} ${HOME}"]
`

// desk is one operator's side: a configuration, and what is kept of a run.
type desk struct {
	t    *testing.T
	dir  string
	kept atomic.Pointer[string]
}

// outcome is how a run ended.
type outcome struct {
	ev  pipeline.Evidence
	err error
	log string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	if _, err := exec.LookPath("kubectl"); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	d := &desk{t: t, dir: t.TempDir()}
	empty := ""
	d.kept.Store(&empty)
	d.write("job.yaml", manifest)
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// console makes the step of a job with these lines, and what it may use in a run.
func (d *desk) console(lines, run string) (pipeline.Step, *pipeline.Env) {
	d.t.Helper()
	if !strings.Contains(lines, "architectures") {
		d.write("job.yaml", strings.Replace(manifest, "{arch}", "amd64", 1))
	}
	d.write("release.yaml", "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n"+
		"keys: [{name: k, private: \"env:K\", public: k}]\njobs:\n  - name: build_ISO\n    manifest: job.yaml\n"+lines)
	cfg, err := config.Load(filepath.Join(d.dir, "release.yaml"))
	if err != nil {
		d.t.Fatal(err)
	}
	step, err := job.Make(cfg, checklist.Item{ID: "lorax", With: map[string]string{"name": "build_ISO"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return step, &pipeline.Env{
		Config: cfg, Release: "rc-9.7", Version: "9.7-RC2", Kind: "rc", Run: run, Now: time.Now,
		Keep: func(_ context.Context, text string) error { d.kept.Store(&text); return nil },
		Kept: func(context.Context) (string, error) { return *d.kept.Load(), nil },
	}
}

// start runs it; the channel gets the outcome.
func (d *desk) start(ctx context.Context, step pipeline.Step, env *pipeline.Env) <-chan outcome {
	d.t.Helper()
	return d.logged(func(p *pipeline.Progress) (pipeline.Evidence, error) {
		plan, err := step.Plan(ctx, env)
		if err != nil {
			return nil, err
		}
		return step.Run(ctx, env, plan, p)
	})
}

func (d *desk) logged(do func(*pipeline.Progress) (pipeline.Evidence, error)) <-chan outcome {
	d.t.Helper()
	file, err := os.CreateTemp(d.dir, "log")
	if err != nil {
		d.t.Fatal(err)
	}
	c := make(chan outcome, 1)
	go func() {
		l := pipeline.NewLog(file, time.Now)
		ev, err := do(pipeline.NewProgress(l))
		l.Close()
		if err != nil {
			d.t.Log(err)
		}
		b, _ := os.ReadFile(file.Name())
		c <- outcome{ev, err, string(b)}
	}()
	return c
}

// made waits until it is kept that the Jobs were made.
func (d *desk) made() {
	d.t.Helper()
	until(d.t, "it is kept that they were made", func() bool { return strings.Contains(*d.kept.Load(), `"created":true`) })
}

// wants fails unless err says these words; none wants no error.
func (o outcome) wants(t *testing.T, words string) {
	t.Helper()
	if words == "" && o.err != nil || words != "" && (o.err == nil || !strings.Contains(o.err.Error(), words)) {
		t.Errorf("got %v, want %q; log:\n%s", o.err, words, o.log)
	}
	if o.err != nil && config.Inert(o.err.Error()) != o.err.Error() || strings.Contains(o.log, "\x1b") {
		t.Errorf("not harmless: %q\n%q", o.err, o.log)
	}
}

func (o outcome) has(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if strings.Count(o.log, line+"\n") != 1 {
			t.Errorf("%q is in the log %d times:\n%s", line, strings.Count(o.log, line+"\n"), o.log)
		}
	}
}

// A Job of very many pods does not start as many programs here; what each says is
// in the log all the same.
func TestManyPods(t *testing.T) {
	job.Hasten(t, time.Minute)
	job.FollowMost(t, 2)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	name := a.job("")
	pods := []string{"p1", "p2", "p3", "p4", "p5"}
	for _, pod := range pods {
		a.pod(name, pod, "Running", 0, running)
		a.say(pod, false, pod+" begins")
	}
	until(t, "two are followed", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.since) > 1
	})
	d.write("made", "x")
	for _, pod := range pods {
		a.say(pod, true, pod+" ends")
		a.pod(name, pod, "Succeeded", 0, well)
	}
	a.end(name, "Complete", "")
	o := <-c
	o.wants(t, "")
	o.has(t, "p1 begins", "p2 ends", "p3 ends", "p4 ends", "p5 ends")
	if a.with(func() {}); a.followed != 2 {
		t.Errorf("%d were followed at a time", a.followed)
	}
}

const twoArches = "    architectures: [x86_64, aarch64]\n    proofs: [{files: \"{arch}.tar\", fresh: true}]\n"
const one = "    proofs: [{files: made, fresh: true}]\n"

func TestRun(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(twoArches, "20261121T170000Z-a")
	plan, err := step.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Facts["namespace"] != "empanadas" || plan.Facts["cluster"] != a.web.URL || plan.Facts["images x86_64"] != "ghcr.io/rocky-linux/sig-core-toolkit:latest" {
		t.Errorf("%v", plan.Facts)
	}
	if a.created > 0 {
		t.Error("the plan made a Job")
	}
	c := d.start(t.Context(), step, env)
	for _, arch := range []string{"x86_64", "aarch64"} {
		name := a.job(arch)
		if !strings.HasPrefix(name, "build-iso-"+strings.ReplaceAll(arch, "_", "-")+"-") {
			t.Errorf("name %s", name)
		}
		a.with(func() {
			b, _ := json.Marshal(a.jobs[name])
			for _, want := range []string{`"build-iso --release 9 --rc \u0026\u0026 upload 9.7-RC2 ${HOME}"`, `"kubernetes.io/arch":"` + arch + `"`, `"gantry.item":"lorax"`, `"gantry.release":"rc-9.7"`, `"app":"empanadas"`} {
				if !strings.Contains(string(b), want) {
					t.Errorf("the Job lacks %s: %s", want, b)
				}
			}
		})
		a.pod(name, arch+"-1", "Running", 0, running)
		a.say(arch+"-1", false, "lorax begins \x1b[31m", "50%")
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		a.say(arch+"-1", true, "lorax ends")
		d.write(arch+".tar", "tar")
		a.pod(a.job(arch), arch+"-1", "Succeeded", 0, well)
		a.end(a.job(arch), "Complete", "")
	}
	o := <-c
	o.wants(t, "")
	o.has(t, `[x86_64] lorax begins \x1b[31m`, "[x86_64] 50%", "[aarch64] 50%", "[aarch64] lorax ends")
	if o.ev["x86_64: outcome"] != "Complete" || o.ev["aarch64: pods"] != "1 succeeded" || o.ev["x86_64: x86_64.tar"] == "" {
		t.Errorf("%v", o.ev)
	}
	if len(a.strange) > 0 {
		t.Errorf("requests for %v", a.strange)
	}
}

// A Job completes by the status of its last command: what lorax was to make is
// what counts.
func TestH13JobSuccessIsThatOfTheRealWork(t *testing.T) {
	job.Hasten(t, time.Minute)
	for proved, want := range map[bool]string{true: "", false: "the Job completed, but x86_64.tar proves nothing: no such file"} {
		a, d := newAPI(t), newDesk(t)
		step, env := d.console("    architectures: [x86_64]\n    proofs: [{files: \"{arch}.tar\", fresh: true}]\n", "20261121T170000Z-a")
		c := d.start(t.Context(), step, env)
		name := a.job("x86_64")
		a.pod(name, "p", "Succeeded", 0, well)
		a.say("p", true, "lorax: it failed", "upload: 0 files")
		if proved {
			d.write("x86_64.tar", "tar")
		}
		a.end(name, "Complete", "")
		o := <-c
		o.wants(t, want)
		o.has(t, "[x86_64] upload: 0 files")
	}
	cfg := &config.Release{Jobs: []config.Job{{Name: "j"}}}
	if _, err := job.Make(cfg, checklist.Item{With: map[string]string{"name": "j"}}); err == nil {
		t.Error("a job without proofs was made")
	}
}

// A Job that works does not hide one of a similar name that does not, nor that of
// another run.
func TestH15EachJobIsJudgedByItself(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(twoArches, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	good, bad := a.job("x86_64"), a.job("aarch64")
	a.with(func() { // one of another run, which completed
		a.jobs[bad+"-1"] = object{"metadata": object{"name": bad + "-1", "labels": object{"gantry.run": "other"}}, "status": object{"conditions": []object{{"type": "Complete", "status": "True"}}}}
	})
	for _, arch := range []string{"x86_64", "aarch64"} {
		d.write(arch+".tar", "tar")
	}
	a.pod(good, "good", "Succeeded", 0, well)
	a.pod(bad, "bad-1", "Failed", 0, ill(137, "OOMKilled"))
	a.pod(bad, "bad-2", "Failed", 0, ill(32, "Error"))
	a.end(good, "Complete", "")
	a.end(bad, "Failed", "BackoffLimitExceeded")
	o := <-c
	o.wants(t, "aarch64: job "+bad+" failed: BackoffLimitExceeded: Job has Failed; bad-2/build ended with 32 (Error)")
	o.has(t, "[aarch64] bad-1/build: ended with 137: OOMKilled")
	if o.ev["aarch64: pods"] != "2 failed" || o.ev["x86_64: outcome"] != "Complete" {
		t.Errorf("%v", o.ev)
	}
	if config.HintOf(o.err) == "" || a.jobs[bad] == nil {
		t.Error("what failed is not kept to be looked at")
	}
}

// Names are of one run alone, and the same however often that run asks.
func TestH17NamesAreOfOneRun(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	names := map[string]bool{}
	for _, run := range []string{"20261121T170000Z-a", "20261121T170000Z-b"} {
		step, env := d.console(one, run)
		a.with(func() { a.lose = 1 }) // it is asked for twice
		c := d.start(t.Context(), step, env)
		name := a.job("")
		names[name] = true
		a.end(name, "Failed", "x")
		(<-c).wants(t, "failed: x")
		a.with(func() {
			if len(a.jobs) != len(names) {
				t.Errorf("%d Jobs of %d runs", len(a.jobs), len(names))
			}
			a.jobs[name]["metadata"].(object)["labels"] = object{"gantry.arch": "past"}
		})
	}
	if len(names) != 2 {
		t.Errorf("the names are %v", names)
	}
}

// A Job of that name that another made is not taken for ours, nor removed.
func TestForeignJob(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	name := a.job("")
	a.end(name, "Failed", "x")
	<-c
	for what, change := range map[string]func(object){
		"manifest": func(meta object) { meta["annotations"] = object{"gantry.manifest": "other"} },
		"run":      func(meta object) { meta["labels"] = object{"gantry.run": "other"} },
	} {
		a.with(func() { change(a.jobs[name]["metadata"].(object)) })
		o := <-d.start(t.Context(), step, env)
		o.wants(t, "is there that is not of this run")
		if !errors.As(o.err, new(*pipeline.ConflictError)) || a.jobs[name] == nil {
			t.Errorf("%s: %v", what, o.err)
		}
	}
}

func TestPodsThatFail(t *testing.T) {
	job.Hasten(t, 300*time.Millisecond)
	for why, want := range map[string]string{
		"ImagePullBackOff": "p has waited for 300ms: ImagePullBackOff", "CreateContainerConfigError": "CreateContainerConfigError",
	} {
		a, d := newAPI(t), newDesk(t)
		step, env := d.console(one, "20261121T170000Z-a")
		c := d.start(t.Context(), step, env)
		a.pod(a.job(""), "p", "Pending", 0, waits(why))
		o := <-c
		o.wants(t, want)
		if len(a.jobs)+len(a.pods) > 0 {
			t.Error("the Job goes on waiting")
		}
	}
}

// A pod whose image comes late, which is started again, and evicted, and another
// after it: all normal.
func TestStartedTwice(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	name := a.job("")
	asked := func() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.since) }
	a.pod(name, "p-1", "Pending", 0, waits("ImagePullBackOff"))
	time.Sleep(200 * time.Millisecond) // it is looked at
	a.say("p-1", true, "first")
	a.pod(name, "p-1", "Running", 0, running)
	until(t, "its log is read", func() bool { return asked() > 0 })
	a.pod(name, "p-1", "Running", 1, running)
	until(t, "its log is read again", func() bool { return asked() > 2 })
	a.pod(name, "p-1", "Failed", 1, ill(137, "Error"))
	a.with(func() { a.pods["p-1"]["status"].(object)["reason"] = "Evicted" })
	a.pod(name, "p-2", "Running", 0, running)
	a.say("p-2", true, "second")
	d.write("made", "x")
	a.pod(name, "p-2", "Succeeded", 0, well)
	a.end(name, "Complete", "")
	o := <-c
	o.wants(t, "")
	o.has(t, "second", "p-1/build was started: 2 times", "p-1: Failed: Evicted")
	if o.ev["pods"] != "1 succeeded, 1 failed" {
		t.Errorf("%v", o.ev)
	}
}

// The API server is gone for a while, ill, or wants another login: it is asked
// again, and nothing is lost or said twice.
func TestServerGone(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	a.with(func() { a.lose = 2 })
	c := d.start(t.Context(), step, env)
	name := a.job("")
	d.made()
	a.pod(name, "p", "Running", 0, running)
	a.say("p", false, "one", "two")
	time.Sleep(300 * time.Millisecond)
	a.with(func() { a.gone = true })
	time.Sleep(600 * time.Millisecond)
	a.with(func() { a.gone, a.answers = false, []int{410, 503, 500, 401, 403} })
	a.say("p", true, "two", "three")
	time.Sleep(300 * time.Millisecond)
	d.write("made", "x")
	a.pod(name, "p", "Succeeded", 0, well)
	a.end(name, "Complete", "")
	o := <-c
	o.wants(t, "")
	o.has(t, "one", "three", "made Job "+name+" in empanadas")
	if strings.Count(o.log, " two\n") != 2 || a.created != 1 {
		t.Errorf("%d Jobs; log:\n%s", a.created, o.log)
	}
}

// A stream that is cut again and again gives each line once, those of the same
// moment as well.
func TestLogIsCut(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	name := a.job("")
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d of it", i)
	}
	a.say("p", true, append(lines, "same", "same", strings.Repeat("x", 20000))...).cut = 3
	a.pod(name, "p", "Running", 0, running)
	until(t, "it is cut", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.logs["p/build"].cut == 0 })
	d.write("made", "x")
	a.pod(name, "p", "Succeeded", 0, well)
	a.end(name, "Complete", "")
	o := <-c
	o.wants(t, "")
	for _, line := range lines {
		o.has(t, " "+line)
	}
	if n := strings.Count(o.log, " same\n"); n != 2 {
		t.Errorf("%d lines of the same", n)
	}
	if n := strings.Count(o.log, "x") - strings.Count(o.log, "x86"); n < 20000 || n > 20100 {
		t.Errorf("%d bytes of a long line", n)
	}
}

func TestCancelRemovesTheJobs(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(twoArches, "20261121T170000Z-a")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := d.start(ctx, step, env)
	for _, arch := range []string{"x86_64", "aarch64"} {
		a.pod(a.job(arch), arch, "Running", 0, running)
		a.say(arch, false, "works")
	}
	cancel(pipeline.ErrCancelled)
	o := <-c
	if !errors.Is(o.err, pipeline.ErrCancelled) || errors.Is(o.err, pipeline.ErrUnknown) || len(a.jobs)+len(a.pods) > 0 {
		t.Errorf("%v; %d Jobs and %d pods are left; log:\n%s", o.err, len(a.jobs), len(a.pods), o.log)
	}
}

// Where the Jobs cannot be removed, nobody says that they were.
func TestCancelThatFails(t *testing.T) {
	job.Hasten(t, time.Minute)
	job.Unpatient(t, 500*time.Millisecond)
	a, d := newAPI(t), newDesk(t)
	a.stays = true
	step, env := d.console(one, "20261121T170000Z-a")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := d.start(ctx, step, env)
	a.job("")
	cancel(pipeline.ErrCancelled)
	o := <-c
	o.wants(t, "the Jobs may go on: they are not gone within 500ms")
	if !errors.Is(o.err, pipeline.ErrUnknown) || errors.Is(o.err, pipeline.ErrCancelled) {
		t.Errorf("%v", o.err)
	}
}

func TestTimeout(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one+"    timeout: 1s\n", "20261121T170000Z-a")
	(<-d.start(t.Context(), step, env)).wants(t, "longer than 1s")
	if len(a.jobs) > 0 {
		t.Error("it goes on")
	}
}

// A console that dies leaves Jobs that go on; the next one finds them by what was
// kept, follows them, and judges them.
func TestOutlivesTheConsole(t *testing.T) {
	job.Hasten(t, time.Minute)
	for end, want := range map[string]string{"Complete": "", "Failed": "failed: "} {
		a, d := newAPI(t), newDesk(t)
		step, env := d.console(one, "20261121T170000Z-a")
		ctx, cancel := context.WithCancelCause(t.Context())
		c := d.start(ctx, step, env)
		name := a.job("")
		a.pod(name, "p", "Running", 0, running)
		a.say("p", false, "one")
		d.made()
		cancel(pipeline.ErrLost)
		if o := <-c; !errors.Is(o.err, pipeline.ErrUnknown) || a.jobs[name] == nil {
			t.Fatal(o.err)
		}
		next, env := d.console(one, "20261121T170000Z-a")
		look := func() (pipeline.Seen, error) {
			return next.(pipeline.Looker).Look(t.Context(), env, pipeline.Plan{})
		}
		if _, err := look(); !errors.Is(err, pipeline.ErrGoesOn) || !strings.Contains(config.HintOf(err), "gantry resolve") {
			t.Errorf("got %v", err)
		}
		c = d.logged(func(p *pipeline.Progress) (pipeline.Evidence, error) {
			return nil, next.(pipeline.Follower).Follow(t.Context(), env, pipeline.Plan{}, p)
		})
		a.say("p", true, "two")
		d.write("made", "x")
		a.pod(name, "p", "Succeeded", 0, well)
		a.end(name, end, "")
		o := <-c
		o.wants(t, "")
		o.has(t, "one", "two")
		seen, err := look()
		if err != nil || seen.Done != (want == "") || !strings.Contains(seen.Failed, want) {
			t.Errorf("%s: %+v, %v", end, seen, err)
		}
		a.with(func() { clear(a.jobs) })
		if seen, err := look(); err != nil || !strings.Contains(seen.Failed, "not there any more") {
			t.Errorf("%+v, %v", seen, err)
		}
		a.with(func() { a.answers = []int{503} })
		if seen, err := look(); err == nil {
			t.Errorf("nobody could look, and it says %+v", seen)
		}
		other := newAPI(t) // another context of kubectl
		if seen, err := look(); err == nil || !strings.Contains(err.Error(), other.web.URL) {
			t.Errorf("%+v, %v", seen, err)
		}
	}
}

// Between the note and the Job nothing was made.
func TestLookBeforeTheJob(t *testing.T) {
	job.Hasten(t, time.Minute)
	newAPI(t).answers = []int{403}
	d := newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	(<-d.start(t.Context(), step, env)).wants(t, "Forbidden")
	seen, err := step.(pipeline.Looker).Look(t.Context(), env, pipeline.Plan{})
	if err != nil || seen.Done || seen.Failed != "" {
		t.Errorf("%+v, %v", seen, err)
	}
	damaged := "{}"
	d.kept.Store(&damaged)
	if _, err := step.(pipeline.Looker).Look(t.Context(), env, pipeline.Plan{}); err == nil {
		t.Error("what is damaged was read")
	}
}

func TestDeletedThere(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	step, env := d.console(one, "20261121T170000Z-a")
	c := d.start(t.Context(), step, env)
	a.job("")
	d.made()
	a.with(func() { clear(a.jobs) })
	(<-c).wants(t, "somebody deleted it")
}

func TestPlanRefuses(t *testing.T) {
	newAPI(t)
	d := newDesk(t)
	step, env := d.console(one+"    never: {kinds: [rc], because: not yet}\n", "r")
	if _, err := step.Plan(t.Context(), env); err == nil || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("got %v", err)
	}
	step, env = d.console(one+"    kubectl: [/nonexistent/kubectl]\n", "r")
	if _, err := step.Plan(t.Context(), env); err == nil || !strings.Contains(config.HintOf(err), "install it") {
		t.Errorf("got %v", err)
	}
	t.Setenv("KUBECONFIG", "/nonexistent")
	step, env = d.console(one, "r")
	if _, err := step.Plan(t.Context(), env); err == nil || !strings.Contains(config.HintOf(err), "namespace") {
		t.Errorf("got %v", err)
	}
}
