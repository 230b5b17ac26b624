package checklist_test

import (
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
)

func TestTakes(t *testing.T) {
	it := checklist.Item{ID: "lists", Uses: "filelist", With: map[string]string{"name": "a", "nmae\x1b": "b"}}
	for _, tt := range []struct {
		options []string
		hint    string
	}{{[]string{"name", "in"}, "its options are name, in"}, {nil, "it has none"}} {
		err := it.Takes(tt.options...)
		if err == nil || !strings.Contains(config.HintOf(err), tt.hint) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%v: %v, hint %q", tt.options, err, config.HintOf(err))
		}
	}
	if err := it.Takes("name", "nmae\x1b"); err != nil {
		t.Error(err)
	}
}
