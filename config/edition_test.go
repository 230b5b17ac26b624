package config_test

import (
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

func TestParseEdition(t *testing.T) {
	for text, want := range map[string]config.Edition{
		"9.7":               {Major: 9, Minor: 7, Stream: config.Stable},
		"8.10":              {Major: 8, Minor: 10, Stream: config.Stable},
		"10.0":              {Major: 10, Stream: config.Stable},
		"9.7-RC2":           {Major: 9, Minor: 7, Stream: config.Stable, RC: 2},
		"9.7-rc12":          {Major: 9, Minor: 7, Stream: config.Stable, RC: 12},
		"9.8-beta":          {Major: 9, Minor: 8, Stream: config.Beta},
		"9.8-BETA":          {Major: 9, Minor: 8, Stream: config.Beta},
		"10.2-lookahead":    {Major: 10, Minor: 2, Stream: config.LookAhead},
		"10.2-LookAhead":    {Major: 10, Minor: 2, Stream: config.LookAhead},
		"10.2-lh":           {Major: 10, Minor: 2, Stream: config.LookAhead},
		"10.2-LH":           {Major: 10, Minor: 2, Stream: config.LookAhead},
		"9.7-20251202":      {Major: 9, Minor: 7, Stream: config.Stable, Serial: "20251202"},
		"9.7-2":             {Major: 9, Minor: 7, Stream: config.Stable, Serial: "2"},
		"9.7-RC2-20251202":  {Major: 9, Minor: 7, Stream: config.Stable, RC: 2, Serial: "20251202"},
		"9.8-beta-20251202": {Major: 9, Minor: 8, Stream: config.Beta, Serial: "20251202"},
	} {
		got, err := config.ParseEdition(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

// What is no edition is refused with the list of what is known.
func TestParseEditionRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "9", "9.", ".7", "lookahead", "beta", "-RC2", "/", ".", "..", "../9.7", "9.7/", "9.7/../..", "9.7-", "9.7-RC", "9.7-RC0", "9.7-RC01", "9.7-RC100",
		"9.7RC2", "9.7-rc2-", "9.7-gamma", "9.7-LookAhead2", "9.7-beta-RC1", "9.7-123456789", "9.7 ", " 9.7", "9.7\n", "9.07", "09.7", "0.7", "100.1", "9.100", "9.7.1", "-9.7", "9,7", "9.7-RC²",
	} {
		e, err := config.ParseEdition(text)
		if err == nil {
			t.Errorf("%q is %+v", text, e)
			continue
		}
		for _, known := range []string{"8.10", "9.7-RC2", "9.8-beta", "10.2-lh"} {
			if !strings.Contains(config.HintOf(err), known) {
				t.Errorf("%q: the hint does not show %s: %s", text, known, config.HintOf(err))
			}
		}
	}
}

var nine = config.Tree{
	Major: 9, Stream: config.Stable,
	Staging:    config.Area{Root: "/staging", Path: "mirror/pub/rocky/{revision}{suffix}"},
	Production: config.Area{Root: "/production", Path: "mirror/pub/rocky/{major}.{minor}"},
}

func TestDirectory(t *testing.T) {
	beta := nine
	beta.Stream, beta.Suffix = config.Beta, "-beta"
	for _, tt := range []struct {
		tree    config.Tree
		version string
		want    string
	}{
		{nine, "9.7", "mirror/pub/rocky/9.7"},
		{nine, "9.7-RC2", "mirror/pub/rocky/9.7-RC2"},
		{nine, "9.7-20251202", "mirror/pub/rocky/9.7"},
		{beta, "9.8-BETA", "mirror/pub/rocky/9.8-beta"},
	} {
		e, err := config.ParseEdition(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.tree.Directory(tt.tree.Staging, e)
		if err != nil || got != tt.want {
			t.Errorf("%s: %s, %v", tt.version, got, err)
		}
	}
}

// An empty or unknown release never becomes the directory above all releases.
func TestH01EmptyRevisionNeverMakesAPath(t *testing.T) {
	for _, rlrel := range []string{"", "lookahead", "lh", "LookAhead", "/", ".."} {
		for _, version := range []string{rlrel, "-" + rlrel, "." + rlrel, "9.-" + rlrel} {
			if e, err := config.ParseEdition(version); err == nil {
				t.Errorf("%q is an edition: %+v", version, e)
			}
		}
	}
	for _, p := range []string{"", ".", "/", "{suffix}", "{rc-flag}", "/{suffix}", "{suffix}/", "./{suffix}", "a/..", "..", "../{revision}", "/mirror/{revision}", "a//{revision}", "{revision}/", "{revision}/..", `a\b`, "{unknown}", "{revision", "revision}", "{}", "\x1b{revision}"} {
		tree := nine
		e := config.Edition{Major: 9, Minor: 7, Stream: config.Stable}
		if dir, err := tree.Directory(config.Area{Root: "/production", Path: p}, e); err == nil {
			t.Errorf("path %q leads to %q", p, dir)
		}
	}
	if _, err := nine.Directory(config.Area{}, config.Edition{}); err == nil {
		t.Error("no area at all has a directory")
	}
}

func TestH18TwoDigitMinor(t *testing.T) {
	one, err := config.ParseEdition("9.1")
	if err != nil {
		t.Fatal(err)
	}
	ten, err := config.ParseEdition("9.10")
	if err != nil {
		t.Fatal(err)
	}
	if one == ten || one.Revision() != "9.1" || ten.Revision() != "9.10" {
		t.Errorf("%+v, %+v", one, ten)
	}
	for _, text := range []string{"{revision}", "{major}.{minor}", "Rocky-{revision}-x86_64-dvd.iso", "{revision}{suffix}"} {
		a, err := config.Expand(text, nine.Placeholders(one))
		if err != nil {
			t.Fatal(err)
		}
		b, err := config.Expand(text, nine.Placeholders(ten))
		if err != nil {
			t.Fatal(err)
		}
		if a == b || !strings.Contains(b, "9.10") {
			t.Errorf("%s: %s and %s", text, a, b)
		}
	}
}

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		version string
		kinds   string // that it fits
	}{
		{"9.7", "final patch promote release-day own"},
		{"9.7-20251202", "final patch promote release-day own"},
		{"9.7-RC2", "rc final patch promote release-day own"},
		{"9.8-beta", "beta own"},
		{"9.8-lh", "beta own"},
	} {
		e, err := config.ParseEdition(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range strings.Fields("beta rc final patch promote release-day own") {
			err := e.Fits(kind)
			if fits := strings.Contains(" "+tt.kinds+" ", " "+kind+" "); (err == nil) != fits {
				t.Errorf("%s of kind %s: %v", tt.version, kind, err)
			}
			if err != nil && config.HintOf(err) == "" {
				t.Errorf("%s of kind %s: no hint", tt.version, kind)
			}
		}
	}
}

func FuzzParseEdition(f *testing.F) {
	for _, seed := range []string{"9.7", "8.10", "9.7-RC2-20251202", "10.2-lh", "9.8-BETA", "../", "9.7-RC0", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := config.ParseEdition(text)
		if err != nil {
			if config.HintOf(err) == "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q: %q", err, config.HintOf(err))
			}
			return
		}
		tree := nine
		tree.Stream, tree.Suffix = e.Stream, "-X"
		dir, err := tree.Directory(tree.Staging, e)
		if err != nil || !filepath.IsLocal(dir) || path.Dir(dir) != "mirror/pub/rocky" || !strings.HasPrefix(path.Base(dir), e.Revision()) {
			t.Errorf("%q leads to %q, %v", text, dir, err)
		}
		again, err := config.ParseEdition(e.Revision())
		if err != nil || again.Major != e.Major || again.Minor != e.Minor {
			t.Errorf("%q: its revision %s is %+v, %v", text, e.Revision(), again, err)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"{revision}{suffix}", "{", "}", "{}", "{{major}}", "{major}}", "a{b}c", "{major}/../.."} {
		f.Add(seed)
	}
	words := nine.Placeholders(config.Edition{Major: 9, Minor: 7, Stream: config.Stable})
	f.Fuzz(func(t *testing.T, text string) {
		out, err := config.Expand(text, words)
		if err == nil && strings.ContainsAny(out, "{}") {
			t.Errorf("%q keeps braces: %q", text, out)
		}
		dir, err := nine.Directory(config.Area{Root: "/r", Path: text}, config.Edition{Major: 9, Minor: 7, Stream: config.Stable})
		if err == nil && (dir == "" || dir == "." || !filepath.IsLocal(dir) || dir != path.Clean(dir)) {
			t.Errorf("%q leads to %q", text, dir)
		}
	})
}
