package subscriber_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gantry/config"
	"gantry/pipeline/subscriber"
)

var key = regexp.MustCompile(`^[0-9a-f]{64}$`)

func TestGuarded(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	keys := map[string]bool{}
	known := func(r *http.Request) (asked, formed bool) {
		user, pass, ok := r.BasicAuth()
		if ok {
			keys[pass] = true
		}
		return ok, ok && user == "subscriber" && key.MatchString(pass)
	}
	for path, tc := range map[string]struct {
		words string
		serve http.HandlerFunc
	}{
		"/guarded": {"", func(w http.ResponseWriter, r *http.Request) {
			if asked, formed := known(r); asked && !formed {
				t.Error("the key is not of the form of keys")
			}
			w.WriteHeader(401)
		}},
		"/open":  {"without a key: URL/open IS SERVED TO ANYBODY", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "packages") }},
		"/empty": {"IS SERVED TO ANYBODY: it answers 204", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }},
		"/form": {"with a wrong key: URL/form IS SERVED TO ANYBODY", func(w http.ResponseWriter, r *http.Request) {
			if _, formed := known(r); !formed {
				w.WriteHeader(401)
			}
		}},
		"/away":      {"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }},
		"/forbidden": {"answers 403 Forbidden", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }},
		"/absent":    {"answers 404 Not Found", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }},
		"/broken":    {"answers 503", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }},
		"/endless": {"", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(401)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}},
		"/cut": {"EOF", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(path, func(t *testing.T) {
			server := httptest.NewServer(tc.serve)
			defer server.Close()
			err := subscriber.Guarded(t.Context(), server.Client(), server.URL+path, "subscriber")
			words := strings.ReplaceAll(tc.words, "URL", server.URL)
			switch {
			case words == "" && err != nil:
				t.Error(err)
			case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
				t.Errorf("got %v, want %q", err, words)
			case words != "" && path != "/cut" && config.HintOf(err) == "":
				t.Error("no hint")
			}
		})
	}
	if len(keys) < 2 {
		t.Errorf("%d different keys were tried", len(keys))
	}
}

func TestGuardedAddresses(t *testing.T) {
	for address, words := range map[string]string{
		"file:///srv":            "no http address",
		"http://":                "no http address",
		"http://u:hunter2@h/":    "holds credentials",
		"http://127.0.0.1:1/x":   "refused",
		"ht\x1btp://127.0.0.1:1": "no http address",
	} {
		err := subscriber.Guarded(t.Context(), http.DefaultClient, address, "subscriber")
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := subscriber.Guarded(ctx, http.DefaultClient, "http://127.0.0.1:1", "s"); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
}
