package checklist_test

import (
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
)

func TestAccepts(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	for _, tt := range []struct {
		wants checklist.Wants
		note  string
		ok    bool
	}{
		{"", "seen", true},
		{"text", "seen", true},
		{"url", "https://rockylinux.org/download", true},
		{"url", "see <http://10.0.0.1:8080/x>, by neil", true},
		{"url", "rockylinux.org", false},
		{"url", "https://", false},
		{"url", "https:///path", false},
		{"url", "ftp://host.example/x", false},
		{"url", "done", false},
		{"digest", "9.7: sha256:" + digest + " on x86_64", true},
		{"digest", digest + digest, true},
		{"digest", digest[:63], false},
		{"digest", digest + "0", false},
		{"digest", "sha256 agrees", false},
		{"id", "Rocky-9.7-20251121.101500", true},
		{"id", "us-east-1 x86_64 ami-0abc12", true},
		{"id", "20251121", true},
		{"id", "done by all", false},
		{"id", "all 4 of them", false},
	} {
		it := manual("a")
		it.Wants, it.Asks = tt.wants, "the value"
		err := it.Accepts(tt.note)
		if (err == nil) != tt.ok {
			t.Errorf("%s, %q: %v", tt.wants, tt.note, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "The a") || config.HintOf(err) != "it asks for: the value") {
			t.Errorf("%s: %v, hint %q", tt.wants, err, config.HintOf(err))
		}
	}
}
