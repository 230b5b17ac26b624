package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
)

func TestReviewReads(t *testing.T) {
	kernel := func(name string, ids ...string) pipeline.ReviewedPackage {
		return pipeline.ReviewedPackage{
			Name: name, Arch: "x86_64", From: "5.14.0-611.el9", To: "5.14.0-612.el9", Source: "kernel-5.14.0-612.el9.src.rpm", Advisories: ids,
			Changelog: []pipeline.LogEntry{{Time: time.Date(2025, 11, 24, 12, 0, 0, 0, time.UTC), Author: "A Packager", Text: "- one\n- two"}},
		}
	}
	j := reviewsJSON{Totals: reviewTotals{Advisories: map[string]int{}}, Reviews: []pipeline.Review{{
		Target: "rocky-9", From: "pub/9.7", To: "pub/9.7-RC2", Notes: []string{"a note on all"},
		Repos: []pipeline.ReviewedRepo{
			{Name: "AppStream", Arch: "x86_64", Path: "AppStream/x86_64/os"},
			{
				Name: "BaseOS", Arch: "x86_64", Path: "BaseOS/x86_64/os", Notes: []string{"staging lost 2 of the 9 advisories of production"},
				Upgraded:   []pipeline.ReviewedPackage{kernel("kernel", "RLSA-1"), kernel("kernel-core", "RLSA-1"), kernel("kernel-a"), kernel("kernel-b"), kernel("kernel-c")},
				Downgraded: []pipeline.ReviewedPackage{{Name: "bash", Arch: "x86_64", From: "5.2-1", To: "5.1-1"}},
				Removed:    []pipeline.ReviewedPackage{{Name: "old", Arch: "noarch", From: "1-1"}},
				Added:      []pipeline.ReviewedPackage{{Name: "new", Arch: "noarch", To: "1-1"}},
				Rebuilt:    []pipeline.ReviewedPackage{{Name: "same", Arch: "noarch", From: "1-1", To: "1-1"}},
				Advisories: []pipeline.Advisory{{ID: "RLSA-1", Type: "security", Severity: "Important", Title: "kernel", CVEs: []string{"CVE-1", "CVE-2"}}},
			},
			{Name: "CRB", Arch: "x86_64", Path: "CRB/x86_64/os", Gone: true, Removed: []pipeline.ReviewedPackage{{Name: "a"}, {Name: "b"}}},
			{Name: "NFV", Arch: "x86_64", Path: "NFV/x86_64/os", New: true, Added: []pipeline.ReviewedPackage{{Name: "a"}}},
			{Name: "RT", Arch: "x86_64", Path: "RT/x86_64/os", Error: "staging: read it: EOF"},
		},
	}}}
	j.Totals.count(j.Reviews)
	var b bytes.Buffer
	(&app{out: &b}).printReviews(j)
	want := `rocky-9
  production pub/9.7 -> staging pub/9.7-RC2
  note: a note on all

  BaseOS x86_64  BaseOS/x86_64/os
  note: staging lost 2 of the 9 advisories of production
  DOWNGRADE bash.x86_64  5.2-1 -> 5.1-1
  REMOVED old.noarch  1-1
  upgrade kernel.x86_64, kernel-core.x86_64, kernel-a.x86_64, kernel-b.x86_64 and 1 more  5.14.0-611.el9 -> 5.14.0-612.el9  RLSA-1 (Important)
      2025-11-24 A Packager
        - one
        - two
  added new.noarch  1-1
  rebuilt same.noarch  1-1
  advisory RLSA-1  security  Important  kernel  CVE-1 CVE-2

  CRB x86_64  CRB/x86_64/os
  REMOVED repository of 2 packages

  NFV x86_64  NFV/x86_64/os
  new repository of 1 package

  RT x86_64  RT/x86_64/os
  NOT COMPARED staging: read it: EOF

4 of 5 repositories differ: 5 upgraded, 2 added, 1 rebuilt, 1 DOWNGRADED, 3 REMOVED
1 NOT COMPARED
new advisories: 1 Important
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
