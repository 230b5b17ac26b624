package job_test

import (
	"encoding/json"
	"strings"
	"testing"

	"gantry/pipeline/job"
)

func TestManifest(t *testing.T) {
	words := map[string]string{"major": "9", "revision": "9.7", "arch": "x86_64", "version": "9.7"}
	swap := func(from, to string) string { return strings.Replace(manifest, from, to, 1) }
	for name, tc := range map[string]struct{ text, want string }{
		"two documents":   {manifest + "---\n" + manifest, "more than one document"},
		"generateName":    {swap("  name: buildiso", "  generateName: buildiso-"), "generateName"},
		"no Job":          {swap("kind: Job", "kind: Pod"), "no Job of batch/v1"},
		"old Job":         {swap("batch/v1", "batch/v1beta1"), "no Job of batch/v1"},
		"a list":          {"- a\n", "no Job"},
		"empty":           {"", "no YAML"},
		"no containers":   {"apiVersion: batch/v1\nkind: Job\nspec: {}\n", "no container"},
		"broken":          {"a: [", "no YAML"},
		"alias":           {"a: &a [b]\nc: *a\n", "alias"},
		"unknown word":    {swap("{major}", "{minor}"), "{minor}"},
		"unquoted":        {swap(`"{arch}"`, "{arch}"), "{arch} is no text"},
		"other key":       {swap("{app: empanadas}", "{1: empanadas}"), "a key is no text"},
		"numbers of keys": {"a: {" + strings.Repeat("x: 1, ", 30000) + "}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.text = strings.ReplaceAll(strings.ReplaceAll(tc.text, "{rc-flag}", ""), "{suffix}", "")
			_, err := job.ParseManifest([]byte(tc.text), words)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	words["rc-flag"], words["suffix"] = "", "-RC2"
	b, err := job.ParseManifest([]byte(swap("backoffLimit: 4", "activeDeadlineSeconds: 100\n  paused: 2026-01-02")), words)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"it"`, `"namespace":"here"`, `"gantry.run":"r-1"`, `"activeDeadlineSeconds":100`, `"paused":"2026-01-02"`, `"kubernetes.io/arch":"x86_64"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
}

// Whatever the manifest, what is made of it is one Job of our name.
func FuzzManifest(f *testing.F) {
	f.Add(manifest)
	f.Add("apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{}]}}}\nmetadata: []\n")
	f.Add("a: &a {b: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := job.ParseManifest([]byte(text), map[string]string{"arch": "x86_64", "major": "9"})
		if err != nil {
			return
		}
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := json.Unmarshal(b, &o); err != nil || o.Kind != "Job" || o.Metadata.Name != "it" || o.Metadata.Namespace != "here" {
			t.Errorf("%q became %s", text, b)
		}
	})
}
