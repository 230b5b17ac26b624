package config_test

import (
	"regexp"
	"strings"
	"testing"

	"gantry/config"
)

func TestRockyLoads(t *testing.T) {
	r, err := load(t, string(config.Example(config.Rocky)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Product != "rocky" {
		t.Errorf("product %s", r.Product)
	}
	for _, tt := range []struct {
		version string
		serve   string // trees that take it
		staging string // of the first
		made    string // in production
	}{
		{"9.7-RC2", "rocky-9 sig-9-cloud sig-9-kernel", "mirror/pub/rocky/9.7-RC2", "mirror/pub/rocky/9.7"},
		{"9.7-20251202", "rocky-9 sig-9-cloud sig-9-kernel", "mirror/pub/rocky/9.7", "mirror/pub/rocky/9.7"},
		{"8.10", "rocky-8", "mirror/pub/rocky/8.10", "mirror/pub/rocky/8.10"},
		{"10.1-RC1", "rocky-10", "mirror/pub/rocky/10.1-RC1", "mirror/pub/rocky/10.1"},
		{"9.8-beta", "rocky-9-beta", "mirror/pub/rocky/9.8-beta", ""},
		{"10.2-beta", "rocky-10-beta", "mirror/pub/rocky/10.2-BETA", ""},
		{"8.11-lh", "rocky-8-lookahead", "mirror/pub/rocky/8.11-LookAhead", ""},
	} {
		e, err := config.ParseEdition(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		staging, made := "", ""
		for _, target := range r.Targets {
			if !target.Tree.Serves(e) {
				continue
			}
			names = append(names, string(target.Name))
			if len(names) > 1 {
				continue
			}
			if staging, err = target.Tree.Directory(target.Tree.Staging, e); err != nil {
				t.Error(err)
			}
			if target.Tree.Production.Root != "" {
				if made, err = target.Tree.Directory(target.Tree.Production, e); err != nil {
					t.Error(err)
				}
			}
		}
		if strings.Join(names, " ") != tt.serve || staging != tt.staging || made != tt.made {
			t.Errorf("%s: %q, staged at %s, made %s", tt.version, names, staging, made)
		}
	}
}

// What it shows in comments can be written as it stands.
func TestRockyLoadsUncommented(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)# ( *(- )?[a-z0-9_]+:( .*)?)$`).ReplaceAllString(string(config.Example(config.Rocky)), "$1$2")
	r, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tunnels) != 1 || len(r.Mirrors[0].Networks) != 1 || r.Torrents[0].Piece == "" || len(r.FileLists[0].After) != 3 || !r.Targets[0].Tree.Private {
		t.Error("not all was read")
	}
}

// The same commands are never run where they would undo what is published.
func TestH11FinalizeIsNeverRunOnPatchDays(t *testing.T) {
	r, err := load(t, string(config.Example(config.Rocky)))
	if err != nil {
		t.Fatal(err)
	}
	finalizes := 0
	for _, c := range r.Commands {
		if !strings.Contains(strings.Join(c.Argv, " "), "finalize") {
			continue
		}
		finalizes++
		if len(c.Never.Kinds) != 1 || c.Never.Kinds[0] != "patch" || c.Never.Because == "" {
			t.Errorf("%s may be run in any release: %+v", c.Name, c.Never)
		}
	}
	if finalizes != 2 {
		t.Errorf("%d commands finalize", finalizes)
	}
}
