package ui

import (
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
