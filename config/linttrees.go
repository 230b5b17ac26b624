package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// trees looks at the roots that trees and file lists lie below, each once.
func (l *linter) trees() {
	seen := map[string]bool{}
	for _, t := range l.r.Targets {
		if t.Tree == nil {
			continue
		}
		for _, a := range t.Tree.areas() {
			l.root(seen, "target "+string(t.Name), a.Root, a.Mount)
		}
	}
	for _, f := range l.r.FileLists {
		l.root(seen, "file list "+string(f.Name), f.Root, f.Mount)
	}
}

// root looks whether a directory is there, and mounted where it must be.
func (l *linter) root(seen map[string]bool, where, root string, mount bool) {
	key := fmt.Sprint(mount, root)
	if _, _, remote := splitStore(root); remote || seen[key] {
		return
	}
	seen[key] = true
	dir := l.r.Path(root)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist) && mount:
		l.add(where, Hint(fmt.Errorf("%s is not there, and must be mounted", root), "mount it; nothing is written there until then"))
	case errors.Is(err, fs.ErrNotExist):
		l.add(where, Hint(fmt.Errorf("%s is not there", root), "make the directory, or mend root"))
	case err != nil:
		l.add(where, Hint(fmt.Errorf("look at %s: %w", root, err), "see who may enter it"))
	case !info.IsDir():
		l.add(where, Hint(fmt.Errorf("%s is not a directory", root), "name a directory"))
	case mount && !mounted(dir):
		l.add(where, Hint(fmt.Errorf("%s is not mounted: this is a directory of another disk", root), "mount it; nothing is written there until then"))
	}
}

// mounted tells whether a file system is mounted on a directory: by what Linux
// says, which knows of one that is mounted twice, else by its device.
func mounted(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	if points, err := mountPoints(); err == nil {
		return slices.Contains(points, dir)
	}
	return dir == "/" || device(dir) != device(filepath.Dir(dir))
}

// mountPoints are where file systems are mounted, on Linux (proc(5), mountinfo).
func mountPoints() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 4 << 20
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			all = append(all, unescaped(fields[4]))
		}
	}
	return all, nil
}

// unescaped reads octal escapes such as \040, in which Linux writes what would
// end a field.
func unescaped(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == '\\' && len(s) >= 4 {
			if n, err := strconv.ParseUint(s[1:4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

func device(dir string) any {
	info, err := os.Stat(dir)
	if err != nil {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Dev
	}
	return nil
}

// programs looks whether what commands and jobs run is there, here.
func (l *linter) programs() {
	for _, c := range l.r.Commands {
		if c.On == "" {
			l.program("command "+string(c.Name), c.Argv[0], c.Dir)
		}
	}
	for _, j := range l.r.Jobs {
		where := "job " + string(j.Name)
		l.program(where, j.Kubectl[0], "")
		if _, err := readBounded(l.r.Path(j.Manifest)); err != nil {
			l.add(where, Hint(fmt.Errorf("read its manifest: %w", err), "put the batch/v1 Job there"))
		}
	}
	for _, t := range l.r.Torrents {
		if info, err := os.Stat(l.r.Path(t.Publish)); err != nil || !info.IsDir() {
			l.add("torrents "+string(t.Name), Hint(fmt.Errorf("%s is no directory that a seed box watches", t.Publish), "make it and let the seed box watch it, or mend publish"))
		}
	}
}

// program looks for a program as it would be run in a directory.
func (l *linter) program(where, name, dir string) {
	if strings.ContainsAny(name, "{}") {
		return // the release tells which it is
	}
	if info, err := os.Stat(l.r.Path(dir)); dir != "" && (err != nil || !info.IsDir()) {
		l.add(where, Hint(fmt.Errorf("its directory %s is not there", dir), "make it, or mend dir"))
		return
	}
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(l.r.Path(dir), name)
	}
	if _, err := exec.LookPath(name); err != nil {
		l.add(where, Hint(fmt.Errorf("its program cannot be run: %w", err), "install it, or name it with its path"))
	}
}
