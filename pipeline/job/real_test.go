package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/pipeline"
	"gantry/pipeline/job"
)

// TestRealServer makes, follows and removes Jobs of a real API server, which
// GANTRY_KUBECONFIG names; it needs no more than that server and its etcd: what
// controllers would do, the test does.
func TestRealServer(t *testing.T) {
	config := os.Getenv("GANTRY_KUBECONFIG")
	if config == "" {
		t.Skip("GANTRY_KUBECONFIG names no cluster")
	}
	t.Setenv("KUBECONFIG", config)
	job.Hasten(t, time.Minute)
	const jobs = "/apis/batch/v1/namespaces/default/jobs"
	kubectl := func(in []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.Command("kubectl", args...)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %v: %v: %s", args, err, out)
		}
		return out
	}
	find := func(run string) (o object) {
		t.Helper()
		until(t, "a Job of "+run, func() bool {
			var list struct{ Items []object }
			if err := json.Unmarshal(kubectl(nil, "get", "--raw", jobs+"?labelSelector=gantry.run%3D"+run), &list); err != nil || len(list.Items) != 1 {
				return false
			}
			o = list.Items[0]
			return true
		})
		return o
	}
	update := func(o object, of string) {
		t.Helper()
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		kubectl(b, "replace", "--raw", jobs+"/"+o["metadata"].(object)["name"].(string)+of, "-f", "-")
	}
	d := newDesk(t)
	run := func(s string) string { return s + strings.ToLower(time.Now().UTC().Format("20060102T150405Z")) }

	step, env := d.console(one, run("a"))
	c := d.start(t.Context(), step, env)
	o := find(env.Run)
	d.made()
	now := time.Now().UTC().Format(time.RFC3339)
	o["status"] = object{"startTime": now, "completionTime": now, "succeeded": 1, "uncountedTerminatedPods": object{}, "conditions": []object{
		{"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": now, "lastProbeTime": now},
		{"type": "Complete", "status": "True", "lastTransitionTime": now, "lastProbeTime": now}}}
	d.write("made", "x")
	update(o, "/status")
	(<-c).wants(t, "")
	if err := os.Remove(filepath.Join(d.dir, "made")); err != nil {
		t.Fatal(err)
	}
	again := d.start(t.Context(), step, env) // the same run: it is adopted, and has ended
	(<-again).wants(t, "made proves nothing")

	step, env = d.console(one, run("b"))
	ctx, cancel := context.WithCancelCause(t.Context())
	c = d.start(ctx, step, env)
	find(env.Run)
	d.made()
	cancel(pipeline.ErrCancelled)
	until(t, "its removal is asked for", func() bool { return find(env.Run)["metadata"].(object)["deletionTimestamp"] != nil })
	o = find(env.Run)
	delete(o["metadata"].(object), "finalizers")
	update(o, "")
	if got := <-c; !errors.Is(got.err, pipeline.ErrCancelled) || errors.Is(got.err, pipeline.ErrUnknown) {
		t.Errorf("got %v; log %s", got.err, got.log)
	}

	step, env = d.console(one, run("c"))
	d.write("job.yaml", strings.Replace(strings.Replace(manifest, "{arch}", "amd64", 1), "backoffLimit", "backOffLimit", 1))
	(<-d.start(t.Context(), step, env)).wants(t, `unknown field "spec.backOffLimit"`)
}
