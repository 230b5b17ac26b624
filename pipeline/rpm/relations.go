package rpm

import (
	"strings"

	"gantry/pipeline/repodata"
)

// relation is a dependency as primary.xml has it.
type relation struct {
	name, flags, epoch, version, release string
	pre                                  bool // needed before the package's scripts run
}

// fact is a dependency as the header has it, for telling whether two are one.
type fact struct {
	name, flags, version string
	pre                  bool
}

// relationKinds are the kinds of dependencies in the order of primary.xml, with the
// tags of their names; requires comes after provides, which it looks at.
var relationKinds = [8]struct {
	element              string
	name, flags, version int // tags
}{
	{"rpm:provides", 1047, 1112, 1113},
	{"rpm:requires", 1049, 1048, 1050},
	{"rpm:conflicts", 1054, 1053, 1055},
	{"rpm:obsoletes", 1090, 1114, 1115},
	{"rpm:suggests", 5049, 5051, 5050},
	{"rpm:enhances", 5055, 5057, 5056},
	{"rpm:recommends", 5046, 5048, 5047},
	{"rpm:supplements", 5052, 5054, 5053},
}

const (
	provides = 0
	requires = 1
)

// Sense bits of a dependency.
const (
	senseCompare = 0xf
	sensePre     = 1<<6 | 1<<9 | 1<<10 // prereq, before or after installation
)

// comparison is the flags attribute for the compare bits.
func comparison(sense uint32) string {
	switch sense & senseCompare {
	case 2:
		return "LT"
	case 4:
		return "GT"
	case 8:
		return "EQ"
	case 10:
		return "LE"
	case 12:
		return "GE"
	}
	return ""
}

// listRelations collects the dependencies of all kinds.
func (p *facts) listRelations() {
	if p.provided == nil {
		p.provided, p.last, p.owned = map[fact]bool{}, map[string]fact{}, map[string]bool{}
	}
	clear(p.provided)
	clear(p.owned)
	clear(p.last)
	for kind, r := range relationKinds {
		names, flags, versions := p.head.Strs(r.name), p.head.Uint32s(r.flags), p.head.Strs(r.version)
		p.relations[kind] = p.relations[kind][:0]
		var libc relation
		for i := range min(len(names), len(flags), len(versions)) {
			d := fact{name: names[i], flags: comparison(flags[i]), version: versions[i]}
			if kind == requires && p.needless(d, flags[i]) {
				continue
			}
			rel, ok := split(d)
			if !ok {
				continue
			}
			switch kind {
			case provides:
				p.provided[d] = true
			case requires:
				rel.pre = flags[i]&sensePre != 0
				if strings.HasPrefix(d.name, "libc.so.6") {
					if libc.name == "" || newerLibrary(libc.name, d.name) {
						libc = rel
					}
					continue
				}
				d.pre = rel.pre
				p.last[d.name] = d
			}
			p.relations[kind] = append(p.relations[kind], rel)
		}
		if libc.name != "" { // the highest libc version implies the others
			p.relations[kind] = append(p.relations[kind], libc)
		}
	}
}

// needless tells whether a requirement goes without saying: of rpm itself, of a
// file or capability that the package brings, or one said just before.
func (p *facts) needless(d fact, sense uint32) bool {
	switch {
	case strings.HasPrefix(d.name, "rpmlib("):
		return true
	case strings.HasPrefix(d.name, "/") && commonPath(d.name) && p.owns(d.name):
		return true
	case p.provided[d]:
		return true
	}
	d.pre = sense&sensePre != 0
	last, ok := p.last[d.name]
	return ok && last == d
}

// owns tells whether a file is the package's own.
func (p *facts) owns(name string) bool {
	if len(p.owned) == 0 {
		for _, f := range p.files {
			p.owned[f.name] = true
		}
	}
	return p.owned[name]
}

// split takes epoch:version-release apart; false where the epoch is no number.
func split(d fact) (relation, bool) {
	r := relation{name: d.name, flags: d.flags}
	if d.version == "" {
		return r, true
	}
	r.epoch, r.version = "0", d.version
	if epoch, rest, ok := strings.Cut(d.version, ":"); ok {
		if !decimal(epoch) {
			return r, false
		}
		if epoch != "" {
			r.epoch = epoch
		}
		r.version = rest
	}
	r.version, r.release, _ = strings.Cut(r.version, "-")
	return r, true
}

// decimal tells whether strtol would read all of s; it reads nothing as 0.
func decimal(s string) bool {
	digits := strings.TrimLeft(s, " \t\n\v\f\r")
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return s == "" || digits != ""
}

// newerLibrary tells whether b needs a later version of a library than a, where
// both are like libc.so.6(GLIBC_2.4)(64bit).
func newerLibrary(a, b string) bool {
	precise, va := symbolVersion(a)
	preciser, vb := symbolVersion(b)
	if precise != preciser {
		return precise < preciser
	}
	return va != vb && repodata.CompareVersions(va, vb) < 0
}

// symbolVersion is what follows the first digit in the first parentheses of a
// library's name, and how far towards it the name goes.
func symbolVersion(name string) (precise int, version string) {
	_, rest, ok := strings.Cut(name, "(")
	if !ok {
		return 0, ""
	}
	symbol, _, ok := strings.Cut(rest, ")")
	if !ok {
		return 1, ""
	}
	if symbol == "" {
		return 2, ""
	}
	i := strings.IndexAny(symbol, "0123456789")
	if i < 0 {
		return 3, ""
	}
	return 4, symbol[i:]
}
