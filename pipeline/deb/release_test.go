package deb_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/deb"
)

var sum = strings.Repeat("0123456789abcdef", 4)

func someRelease() *deb.Release {
	return &deb.Release{
		Origin: "demo", Label: "demo", Suite: "noble", Description: "core 2025 for noble",
		Date: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), ValidUntil: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
		Architectures: []string{"amd64", "arm64"}, Components: []string{"core"},
		Files: []deb.IndexFile{{Path: "core/binary-amd64/Packages", Size: 10, SHA256: sum}, {Path: "core/binary-amd64/Packages.gz", Size: 5, SHA256: sum}},
	}
}

func TestReleaseReadBack(t *testing.T) {
	r := someRelease()
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := deb.ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, again); d != "" {
		t.Error(d)
	}
	for _, evil := range []string{"a\nSuite: evil", "a\n b", "a\x1b[m", " a", "a\n\nb"} {
		r := someRelease()
		r.Origin = evil
		if text, err := r.Encode(); err == nil {
			t.Errorf("the origin %q became %q", evil, text)
		}
	}
}

func TestParseReleaseRefuses(t *testing.T) {
	text, err := someRelease().Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for name, text := range map[string]string{
		"nothing":      "",
		"no date":      strings.Replace(good, "Date: ", "Dade: ", 1),
		"a bad date":   strings.Replace(good, "Date: Sat", "Date: Some", 1),
		"another zone": strings.Replace(good, "12:00:00 UTC", "12:00:00 CET", 1),
		"no files":     good[:strings.Index(good, "SHA256:")],
		"MD5 alone":    strings.Replace(good, "SHA256:", "MD5Sum:", 1),
		"a short sum":  strings.Replace(good, sum, sum[1:], 1),
		"a bad size":   strings.Replace(good, " 10 core", " -1 core", 1),
		"a path out":   strings.Replace(good, " 10 core", " 10 ../core", 1),
		"absolute":     strings.Replace(good, " 10 core", " 10 /core", 1),
		"a file twice": good + " " + sum + " 5 core/binary-amd64/Packages.gz\n",
		"two of it":    good + "\n" + good,
		"a field more": good + "Date: Sun, 22 Nov 2026 12:00:00 UTC\n",
	} {
		if r, err := deb.ParseRelease([]byte(text)); err == nil {
			t.Errorf("%s: read %+v", name, r)
		}
	}
}

func TestReadIndexRefuses(t *testing.T) {
	good := "Package: toy\nVersion: 1.0\nArchitecture: all\nFilename: pool/t/toy.deb\nSize: 10\nSHA256: " + sum + "\n"
	for name, index := range map[string]string{
		"no file":        strings.Replace(good, "Filename", "File", 1),
		"a file outside": strings.Replace(good, "pool/t", "../t", 1),
		"no size":        strings.Replace(good, "Size: 10", "Size: ten", 1),
		"no sum":         strings.Replace(good, "SHA256", "SHA1", 1),
		"a field twice":  good + "Size: 11\n",
		"too long":       good + "X: " + strings.Repeat("x", 2<<20) + "\n",
		"one of two":     good + "\n" + strings.Replace(good, "SHA256", "SHA1", 1),
	} {
		if err := deb.ReadIndex(strings.NewReader(index), func(deb.Ref) error { return nil }); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte("Package: toy\nVersion: 1.0\nArchitecture: all\nFilename: pool/t/toy.deb\nSize: 10\nSHA256: " + sum + "\n\nPackage: x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		deb.ReadIndex(bytes.NewReader(b), func(r deb.Ref) error {
			if strings.Contains(r.Path, "..") && strings.Contains("/"+r.Path+"/", "/../") || len(r.SHA256) != 64 || r.Size < 0 {
				t.Errorf("read %+v", r)
			}
			return nil
		})
	})
}

func FuzzParseRelease(f *testing.F) {
	text, err := someRelease().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := deb.ParseRelease(b)
		if err != nil {
			return
		}
		if r.Date.IsZero() || len(r.Files) == 0 {
			t.Errorf("read %+v", r)
		}
	})
}
