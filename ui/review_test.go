package ui

import (
	"strings"
	"testing"
	"time"

	"gantry/pipeline"
)

func reviewed() *pipeline.Review {
	return &pipeline.Review{Target: "core-el9", From: "9.7", To: "9.7-RC2", Repos: []pipeline.ReviewedRepo{
		{Name: "BaseOS", Arch: "x86_64",
			Upgraded: []pipeline.ReviewedPackage{{Name: "openssl", Arch: "x86_64", From: "3.5.1-3", To: "3.5.1-4", Size: 4 << 20, Advisories: []string{"RLSA-2025:21248"},
				Changelog: []pipeline.LogEntry{{Time: noon.Add(-48 * time.Hour), Author: "Ada <ada@rocky.example>", Text: "- Fix out-of-bounds read\n- \x1b[31mResolves: CVE-2025-9230"}}}},
			Advisories: []pipeline.Advisory{{ID: "RLSA-2025:21248", Type: "security", Severity: "Important", Title: "Important openssl security update", CVEs: []string{"CVE-2025-9230"}}}},
		{Name: "AppStream", Arch: "aarch64",
			Downgraded: []pipeline.ReviewedPackage{{Name: "tomcat", Arch: "noarch", From: "9.0.110-1", To: "9.0.87-4"}},
			Removed:    []pipeline.ReviewedPackage{{Name: "toolbox", Arch: "aarch64", From: "0.1.1-3"}}},
	}}
}

func TestReview(t *testing.T) {
	f := newFake(t)
	f.review = reviewed()
	d := drive(t, f, 120, 34, Options{})
	d.press("3", "w")
	if !f.did("review " + f.view.Targets[0].Name) {
		t.Fatalf("asked %q", f.asked)
	}
	d.sees("BaseOS x86_64", "openssl", "3.5.1-3", "RLSA-2025:21248", "Important openssl security update", "CVE-2025-9230",
		"- Fix out-of-bounds read", "DOWNGRADE", "REMOVED", "2 down or gone")
	d.press("/")
	d.typed("tomcat", 0).press("enter")
	d.sees("tomcat.noarch", "AppStream aarch64")
}

func TestReviewOfNothing(t *testing.T) {
	f := newFake(t)
	f.review = &pipeline.Review{Notes: []string{"production had advisories, staging has none"}}
	d := drive(t, f, 80, 24, Options{})
	d.press("6")
	d.sees("Staging brings no package", "production had advisories")
}

// What was compared is read again where it moved: a review of yesterday decides
// nothing.
func TestReviewMoves(t *testing.T) {
	f := newFake(t)
	f.review = reviewed()
	d := drive(t, f, 120, 34, Options{})
	d.press("3", "w")
	d.press("1", "6")
	if n := f.times("review core-el9"); n != 1 {
		t.Errorf("read %d times, and nothing moved", n)
	}
	f.view.Targets[0].Staging = "20261121T115959Z"
	d.refresh()
	d.sees("moved since: r reads anew")
	d.press("1", "6")
	if n := f.times("review core-el9"); n != 2 {
		t.Errorf("read %d times, and it moved once", n)
	}
	if strings.Contains(plainText(d.m.View()), "moved since") {
		t.Error("it was read anew and is said to have moved")
	}
}
