package check_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packyard are the secrets of its workflows.
var packyard = []string{
	"HOST", "SSH_PRIVATE_KEY", "SSH_KNOWN_HOST", "RUSTFS_ACCESS_KEY", "RUSTFS_SECRET_KEY",
	"GPG_PRIVATE_KEY", "GPG_KEY_ID", "GPG_PASSPHRASE", "COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD",
}

func TestSecrets(t *testing.T) {
	b := newBench(t)
	ev, err := b.run("check.secrets", nil)
	wants(t, err, "")
	if ev["secrets set"] != "2" {
		t.Errorf("evidence %v", ev)
	}
	if err := os.Remove(filepath.Join(b.dir, "password")); err != nil {
		t.Fatal(err)
	}
	ev, err = b.run("check.secrets", nil)
	wants(t, err, "secrets are missing: here file:password (probe web)")
	if ev["secrets set"] != "1" || !strings.Contains(b.log, "\nMISSING here  file:password, of probe web: ") || !strings.Contains(b.log, "\nset here      file:k.key, of key k\n") {
		t.Errorf("evidence %v, log:%s", ev, b.log)
	}
	_, err = b.run("check.secrets", map[string]string{"of": "x"})
	wants(t, err, `no option "of"`)
}

func TestForgeSecrets(t *testing.T) {
	for name, tc := range map[string]struct {
		set    []string
		status int
		words  string
	}{
		"all":      {packyard, 200, ""},
		"in lower": {[]string{strings.ToLower(strings.Join(packyard, ","))}, 200, ""},
		"two less": {packyard[:8], 200, "secrets are missing: in o/packyard COSIGN_PRIVATE_KEY, COSIGN_PASSWORD"},
		"none":     {nil, 200, "in o/packyard HOST, SSH_PRIVATE_KEY"},
		"not told": {packyard, 403, "of o/packyard it cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					t.Error("no token")
				}
				if !strings.HasSuffix(r.URL.Path, "/repos/o/packyard/actions/secrets") {
					w.WriteHeader(404)
					return
				}
				w.WriteHeader(tc.status)
				var all []map[string]string
				for _, n := range strings.Split(strings.Join(tc.set, ","), ",") {
					if n != "" {
						all = append(all, map[string]string{"name": n})
					}
				}
				json.NewEncoder(w).Encode(map[string]any{"total_count": len(all), "secrets": all})
			}))
			defer api.Close()
			b := newBench(t)
			b.write("token", "hunter2-hunter2")
			b.more = fmt.Sprintf("forges: [{name: f, api: %q, repository: o/packyard, token: \"file:token\", secrets: [%s]}]\n", api.URL, strings.Join(packyard, ", "))
			ev, err := b.run("check.secrets", nil)
			wants(t, err, tc.words)
			if err == nil && (ev["secrets set in o/packyard"] != "10" || ev["secrets set"] != "3") {
				t.Errorf("evidence %v", ev)
			}
			if all := fmt.Sprint(ev, err, b.log); strings.Contains(all, "hunter2") {
				t.Errorf("it tells a secret: %s", all)
			}
		})
	}
}
