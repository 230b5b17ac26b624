package demo

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/google/rpmpack"
)

// Tags that rpmpack has no words for (rpmtag.h of rpm).
const (
	tagChangelogTime = 1080
	tagChangelogName = 1081
	tagChangelogText = 1082
)

// Flags of requirements (rpmds.h of rpm): the script after installation needs it,
// and rpm itself provides it.
const (
	sensePost   = 1 << 10
	senseRPMLib = 1 << 24
)

// part is one package of the demo.
type part struct {
	name     string // behind the product's
	summary  string
	noarch   bool
	moves    bool // has a new version in Next
	requires []string
	payload  int // bytes of its program
	more     func(product string, r *rpmpack.RPM) error
}

var parts = []part{
	{name: "core", summary: "Core services", payload: 900 << 10, more: core},
	{name: "minion", summary: "Agent for remote sites", moves: true, requires: []string{"core"}, payload: 400 << 10, more: minion},
	{name: "sentinel", summary: "Event forwarding", requires: []string{"core", "minion"}, payload: 300 << 10, more: sentinel},
	{name: "tools", summary: "Command line tools", noarch: true, requires: []string{"core"}, payload: 24 << 10, more: tools},
}

// build builds the packages that version brings to a target: all of them at
// first, later what moved.
func build(dir, product, version string, t target, now time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("build the packages: %w", err)
	}
	for _, p := range parts {
		if version != Version && !p.moves {
			continue
		}
		if err := p.build(dir, product, version, t, now); err != nil {
			return fmt.Errorf("build %s-%s: %w", product, p.name, err)
		}
	}
	return nil
}

func (p part) build(dir, product, version string, t target, now time.Time) error {
	name, arch := product+"-"+p.name, t.arch()
	if p.noarch {
		arch = "noarch"
	}
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: name, Version: version, Release: "1.el9", Epoch: rpmpack.NoEpoch, Arch: arch,
		Summary:     p.summary + " of " + product,
		Description: p.summary + " of " + product + ".\nBuilt by gantry demo; it does nothing.",
		Vendor:      product, Packager: product + " demo <demo@" + product + ".example>",
		URL: "https://" + product + ".example/", Licence: "Apache-2.0", Group: "Unspecified",
		BuildHost: "demo.example", BuildTime: now, Compressor: "zstd",
	})
	if err != nil {
		return err
	}
	// What rpmbuild asks of the rpm that reads such a package.
	r.Requires = append(r.Requires,
		&rpmpack.Relation{Name: "rpmlib(CompressedFileNames)", Version: "3.0.4-1", Sense: senseRPMLib | rpmpack.SenseLess | rpmpack.SenseEqual},
		&rpmpack.Relation{Name: "rpmlib(FileDigests)", Version: "4.6.0-1", Sense: senseRPMLib | rpmpack.SenseLess | rpmpack.SenseEqual},
		&rpmpack.Relation{Name: "rpmlib(PayloadIsZstd)", Version: "5.4.18-1", Sense: senseRPMLib | rpmpack.SenseLess | rpmpack.SenseEqual},
	)
	for _, need := range p.requires {
		if err := r.Requires.Set(product + "-" + need + " >= " + Version); err != nil {
			return err
		}
	}
	if !p.noarch {
		isa := "(" + map[string]string{"x86_64": "x86-64", "aarch64": "aarch-64"}[arch] + ")"
		if err := r.Provides.Set(name + isa + " = " + version + "-1.el9"); err != nil {
			return err
		}
	}
	changelog(r, product, version, now)
	p.files(r, product, version, now)
	if err := p.more(product, r); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%s-1.el9.%s.rpm", name, version, arch)))
	if err != nil {
		return err
	}
	err = r.Write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// changelog gives a package the history of its versions, newest first.
func changelog(r *rpmpack.RPM, product, version string, now time.Time) {
	day := now.Truncate(24 * time.Hour).Add(12 * time.Hour) // as rpmbuild stamps entries
	times := []int32{int32(day.AddDate(0, -1, 0).Unix())}
	names := []string{"Ada Demo <ada@" + product + ".example> - " + Version + "-1"}
	texts := []string{"- First release of the series\n- Résumé of an interrupted transfer"}
	if version != Version {
		times = append([]int32{int32(day.Unix())}, times...)
		names = append([]string{"Grace Demo <grace@" + product + ".example> - " + version + "-1"}, names...)
		texts = append([]string{"- Fix a leak when a site is offline for long"}, texts...)
	}
	r.AddCustomTag(tagChangelogTime, rpmpack.EntryInt32(times))
	r.AddCustomTag(tagChangelogName, rpmpack.EntryStringSlice(names))
	r.AddCustomTag(tagChangelogText, rpmpack.EntryStringSlice(texts))
}

// files gives a package what every part has: a program, a document, a directory.
func (p part) files(r *rpmpack.RPM, product, version string, now time.Time) {
	add := func(name string, mode uint, kind rpmpack.FileType, body []byte) {
		r.AddFile(rpmpack.RPMFile{Name: name, Mode: mode, Type: kind, Body: body, Owner: "root", Group: "root", MTime: uint32(now.Unix())})
	}
	name := product + "-" + p.name
	add("/usr/bin/"+name, 0o100755, rpmpack.GenericFile, program(name, version, p.payload))
	add("/usr/share/doc/"+name, 0o40755, rpmpack.GenericFile, nil)
	add("/usr/share/doc/"+name+"/README", 0o100644, rpmpack.DocFile, []byte(p.summary+" of "+product+" "+version+"\n"))
}

// program is a file that does nothing, of so many bytes that do not compress, the
// same for the same name and version.
func program(name, version string, size int) []byte {
	head := "#!/bin/sh\necho " + name + " " + version + "\nexit 0\n"
	seed := fnv.New64a()
	seed.Write([]byte(head))
	source := rand.New(rand.NewPCG(seed.Sum64(), 0))
	body := append([]byte(head), make([]byte, size)...)
	for i := len(head); i < len(body); i++ {
		body[i] = byte(source.Uint32())
	}
	return body
}

func core(product string, r *rpmpack.RPM) error {
	r.AddFile(rpmpack.RPMFile{Name: "/etc/" + product, Mode: 0o40755, Owner: "root", Group: "root"})
	r.AddFile(rpmpack.RPMFile{
		Name: "/etc/" + product + "/core.conf", Mode: 0o100640, Type: rpmpack.ConfigFile | rpmpack.NoReplaceFile,
		Body: []byte("# listens where it is told\nlisten = 127.0.0.1:8980\n"), Owner: "root", Group: "root",
	})
	r.AddFile(rpmpack.RPMFile{Name: "/var/log/" + product + "-core.log", Mode: 0o100644, Type: rpmpack.GhostFile, Owner: "root", Group: "root"})
	r.AddFile(rpmpack.RPMFile{Name: "/usr/bin/" + product, Mode: 0o120777, Body: []byte(product + "-core"), Owner: "root", Group: "root"})
	r.AddPrein("getent passwd " + product + " >/dev/null || :\n")
	r.AddPostin("[ -d /run/systemd/system ] && systemctl daemon-reload || :\n")
	r.AddPostun("[ -d /run/systemd/system ] && systemctl daemon-reload || :\n")
	if err := r.Provides.Set("config(" + product + "-core) = " + r.FullVersion()); err != nil {
		return err
	}
	return r.Provides.Set(product + "-api = 7")
}

func minion(product string, r *rpmpack.RPM) error {
	r.AddPostin("/usr/bin/" + product + "-core --adopt-minion || :\n")
	r.Requires = append(r.Requires, &rpmpack.Relation{
		Name: product + "-core", Version: Version, Sense: sensePost | rpmpack.SenseGreater | rpmpack.SenseEqual,
	})
	if err := r.Requires.Set(product + "-api >= 7"); err != nil {
		return err
	}
	return r.Recommends.Set(product + "-tools")
}

func sentinel(product string, r *rpmpack.RPM) error {
	if err := r.Conflicts.Set(product + "-horizon"); err != nil {
		return err
	}
	return r.Requires.Set("(" + product + "-tools if " + product + "-core)")
}

func tools(product string, r *rpmpack.RPM) error {
	if err := r.Obsoletes.Set(product + "-utils < 2025"); err != nil {
		return err
	}
	if err := r.Provides.Set(product + "-utils = " + r.FullVersion()); err != nil {
		return err
	}
	return r.Suggests.Set("bash-completion")
}
