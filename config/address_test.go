package config_test

import (
	"testing"

	"gantry/config"
)

func TestAddress(t *testing.T) {
	e, err := config.ParseEdition("9.7-RC2")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ url, path, want string }{
		{"https://dl.example.org/pub/rocky", "mirror/pub/rocky/{revision}", "https://dl.example.org/pub/rocky/9.7"},
		{"https://dl.example.org/pub/sig/", "mirror/pub/sig/{major}/cloud", "https://dl.example.org/pub/sig/9/cloud"},
		{"https://dl.example.org/pub", "mirror/pub/rocky-{revision}", "https://dl.example.org/pub/rocky-9.7"},
		{"https://dl.example.org", "{revision}/os", "https://dl.example.org/9.7/os"},
		{"https://dl.example.org/rocky/", "mirror/rocky", "https://dl.example.org/rocky/"},
		{"", "mirror/pub/rocky/{revision}", ""},
	} {
		target := config.Target{URL: tc.url, Tree: &config.Tree{Major: 9, Stream: config.Stable, Production: config.Area{Root: "/prod", Path: tc.path}}}
		if got, err := target.Address(e); got != tc.want || err != nil {
			t.Errorf("%s of %s: %q, %v", tc.url, tc.path, got, err)
		}
	}
}
