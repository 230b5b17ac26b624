package placeholder_test

import (
	"slices"
	"strings"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
)

func env(version, kind string) *pipeline.Env {
	targets := []*config.Target{
		{Name: "rpm"},
		{Name: "rocky-9", Tree: &config.Tree{Major: 9, Stream: config.Stable}},
		{Name: "rocky-9-beta", Tree: &config.Tree{Major: 9, Stream: config.Beta, Suffix: "-beta"}},
		{Name: "sig-9-beta", Tree: &config.Tree{Major: 9, Stream: config.Beta, Suffix: "-BETA"}},
	}
	return &pipeline.Env{Version: version, Kind: kind, Targets: func() []*config.Target { return targets }}
}

func TestArguments(t *testing.T) {
	for _, tc := range []struct {
		version, target string
		argv            []string
		want            string
	}{
		{"9.7-RC2", "rocky-9", []string{"build-iso", "--release", "{major}", "{rc-flag}", "{revision}{suffix}"}, "build-iso|--release|9|--rc|9.7-RC2"},
		{"9.7", "", []string{"build-iso", "{rc-flag}", "", "x{suffix}"}, "build-iso||x"},
		{"8.10-20251202", "", []string{"{major}.{minor}", "{version}", "{kind}"}, "8.10|8.10-20251202|final"},
		{"9.8-beta", "", []string{"{stream}{suffix}"}, "beta-beta"},
		{"9.8-beta", "sig-9-beta", []string{"{stream}{suffix}", "{target}"}, "beta-BETA|sig-9-beta"},
		{"9.7", "", []string{"find", "-exec", "rm", "{}", ";", "{x}", "${HOME}", "{a,b}", "{"}, "find|-exec|rm|{}|;|{x}|${HOME}|{a,b}|{"},
		{"2025.4.1", "", []string{"{version}"}, "2025.4.1"},
		{"2025.4.1", "", []string{"{major}"}, "!{major}"},
		{"10.2-lh", "", []string{"{suffix}"}, "!{suffix}"}, // no tree takes it: nobody knows its suffix
		{"9.7", "", []string{"{arch}"}, "!{arch}"},
	} {
		words := placeholder.Words(env(tc.version, "final"), tc.target)
		got, err := placeholder.Arguments(tc.argv, words)
		if want, fails := strings.CutPrefix(tc.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), want) || config.HintOf(err) == "" {
				t.Errorf("%s %v: %v, %v", tc.version, tc.argv, got, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Split(tc.want, "|")) {
			t.Errorf("%s %v: %q, %v", tc.version, tc.argv, got, err)
		}
	}
}

// Whatever the text, what comes out holds no placeholder that could have been
// filled, and a text without braces stays as it is.
func FuzzExpand(f *testing.F) {
	f.Add("{major}-{arch}{{major}}")
	f.Add("{rc-flag")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := placeholder.Expand(text, map[string]string{"major": "9"})
		if err == nil && !strings.Contains(text, "{major}") && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
