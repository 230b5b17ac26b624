package storage

import "sync"

// idle keeps open the directories that were used last, for those who come back
// to few directories for many files. A directory is with one user at a time; a
// second one opens it again.
type idle struct {
	mu      sync.Mutex
	folders map[string]*folder
	over    bool
}

// maxIdle bounds how many directories stay open.
const maxIdle = 64

// take is an idle directory of that key, or one that open opens.
func (i *idle) take(key string, open func() (*folder, error)) (*folder, error) {
	i.mu.Lock()
	f, ok := i.folders[key]
	delete(i.folders, key)
	i.mu.Unlock()
	if ok {
		return f, nil
	}
	return open()
}

// give returns a directory that was taken.
func (i *idle) give(key string, f *folder) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, double := i.folders[key]; double || i.over {
		f.close()
		return
	}
	for other, g := range i.folders {
		if len(i.folders) < maxIdle {
			break
		}
		g.close()
		delete(i.folders, other)
	}
	if i.folders == nil {
		i.folders = map[string]*folder{}
	}
	i.folders[key] = f
}

// close closes the directories that are idle, and those given later.
func (i *idle) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	for _, f := range i.folders {
		f.close()
	}
	i.folders = nil
}
