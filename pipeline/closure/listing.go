package closure

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gantry/pipeline/command"
)

const (
	unmetMost = 50_000          // dependencies of a repository that are remembered; more are counted
	told      = 300             // bytes of a line that an error repeats
	grain     = 2 * time.Second // of the ages that dnf tells
)

// listing reads what dnf repoclosure writes, line by line:
//
//	package: NAME-EPOCH:VERSION-RELEASE.ARCH from REPOSITORY
//	  unresolved deps (1):
//	    DEPENDENCY
type listing struct {
	unmet    []string
	more     int
	packages int
	current  string        // the package, empty outside one
	deps     bool          // its dependencies follow
	read     bool          // something says that metadata was read
	age      time.Duration // that it had then
	trouble  string        // the first line that says that some was not
	summary  bool          // it says itself that there is something unresolved
}

var (
	packageForm = regexp.MustCompile(`^package: (\S+) from (\S.*)$`)
	depsForm    = regexp.MustCompile(`^  unresolved deps(?: \(\d+\))?:$`)
	// What dnf says once it has metadata: of its cache, or of a download.
	readForm = regexp.MustCompile(`^Last metadata expiration check: |^\S.*\s[0-9.]+ +[kMG]?B/s \| +[0-9.]+ +[kMG]?i?B `)
	ageForm  = regexp.MustCompile(`^Last metadata expiration check: (?:(\d{1,5}) days?, )?(\d{1,2}):(\d\d):(\d\d) ago`)
	nothing  = regexp.MustCompile(` 0\.0 +B/s \| +0 +B `)
	// What it says of a repository that it then leaves out, and ends well without.
	troubleForm = regexp.MustCompile(`(?i)^errors? during downloading|^error:|failed to (download|synchronize|load)|cannot download|^ignoring repositories|no (enabled|available) repo|no such repository`)
)

func (l *listing) take(line string) {
	if m := packageForm.FindStringSubmatch(line); m != nil {
		l.current, l.deps = m[1], false
		l.packages++
		return
	}
	if l.current != "" && !l.deps && depsForm.MatchString(line) {
		l.deps = true
		return
	}
	if dep, ok := strings.CutPrefix(line, "    "); ok && l.deps && strings.TrimSpace(dep) != "" {
		if len(l.unmet) < unmetMost {
			l.unmet = append(l.unmet, l.current+" needs "+strings.TrimSpace(dep))
		} else {
			l.more++
		}
		return
	}
	l.current, l.deps = "", false
	switch {
	case strings.Contains(line, "Repoclosure ended with unresolved dependencies"):
		l.summary = true
	case troubleForm.MatchString(line), strings.HasPrefix(line, command.Cut):
		if l.trouble == "" {
			l.trouble = line[:min(len(line), told)]
		}
	case readForm.MatchString(line) && !nothing.MatchString(line):
		l.read = true
		l.age = max(l.age, age(line))
	}
}

// age is how old dnf says that the metadata is which it keeps.
func age(line string) (old time.Duration) {
	if m := ageForm.FindStringSubmatch(line); m != nil {
		for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
			n, _ := strconv.Atoi(m[i+1]) // digits, or nothing, which is none
			old += time.Duration(n) * unit
		}
	}
	return old
}

// verdict is what is known of a repository: closed where why is nil and nothing is
// unmet.
type verdict struct {
	unmet    []string
	count    int
	packages int
	why      error // that it could not be checked
}

// String is the verdict in words.
func (v verdict) String() string {
	switch {
	case v.why != nil:
		return "not checked: " + v.why.Error()
	case v.count > 0:
		return fmt.Sprintf("%d unresolved in %d packages", v.count, v.packages)
	}
	return "closed"
}

// verdict judges the listing of a program that ended so, and took so long. A
// repository that could not be read, or was read before that, is not closed, and
// not open: nobody knows.
func (l *listing) verdict(status string, err error, took time.Duration) verdict {
	v := verdict{unmet: l.unmet, count: len(l.unmet) + l.more, packages: l.packages}
	switch {
	case l.trouble != "":
		v.why = errors.New(strings.TrimSpace(l.trouble))
	case l.age > took+grain:
		v.why = fmt.Errorf("it judged metadata that was read %s before: let argv have --refresh", l.age)
	case err != nil && status != "exit status 1":
		v.why = err // it was stopped, did not start, or crashed: the list may not be whole
	case v.count > 0 && err != nil && l.summary: // how it ends where it has done its work
	case v.count > 0:
		v.why = fmt.Errorf("it lists %d unresolved, but does not end with that: the list may not be whole", v.count)
	case err != nil:
		v.why = err
	case l.packages > 0 || l.summary:
		v.why = errors.New("what it lists cannot be read")
	case !l.read:
		v.why = errors.New("nothing it says shows that it read the repository (where argv has -q, leave that out)")
	}
	return v
}
