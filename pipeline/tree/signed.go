package tree

import (
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
)

// signed refuses repositories whose signature is missing or stale. For
// production every repository has one where any has, not older than what it
// signs; where the target has a key it is verified.
func (s *syncing) signed(v *survey, now time.Time) error {
	var key *sign.Public
	if s.place == production && s.target.Key != "" {
		var err error
		if key, err = repository.PublicKey(s.cfg, s.target); err != nil {
			return err
		}
	}
	have, had := 0, false
	var bare []string
	for _, at := range v.repos {
		had = had || at.dst && v.had(path.Join(at.path, signature))
		switch {
		case !at.src:
		case v.lookup(path.Join(at.path, signature)) != nil:
			have++
		default:
			bare = append(bare, at.path)
		}
	}
	hint := config.Hint
	switch {
	case len(bare) == 0:
	case key != nil || have > 0 || had && s.place == production:
		return hint(fmt.Errorf("%s of %s has no repomd.xml.asc: %s", repository.Count(len(bare), "repository", "repositories"), s.from, few(bare)), "sign them first")
	case had:
		v.doubts = append(v.doubts, "nothing in "+s.from+" is signed, and the signatures in "+s.place+" go: sign the repositories before the next step")
	}
	if s.place != production {
		return nil
	}
	for _, at := range v.repos {
		if !at.src || have == 0 {
			continue
		}
		if err := v.fresh(at, key, now); err != nil {
			return hint(fmt.Errorf("%s: %w", config.Inert(at.path), err), "sign it again: whatever changes repomd.xml comes before the signature")
		}
	}
	return nil
}

// had tells whether the destination has a file: it is alike, or goes.
func (v *survey) had(p string) bool {
	if v.stock != nil {
		return v.here[p] != nil
	}
	dir, name := splitPath(p)
	if v.to == nil {
		return false
	}
	at, err := v.to.open(dir)
	if err != nil {
		return false
	}
	defer at.close()
	e, err := at.stat(name)
	return err == nil && e != nil
}

// fresh makes sure of the signature of a repository.
func (v *survey) fresh(at *repo, key *sign.Public, now time.Time) error {
	xml, asc := v.lookup(path.Join(at.path, repomd)), v.lookup(path.Join(at.path, signature))
	if xml == nil || asc == nil {
		return errors.New("repomd.xml or its signature is missing")
	}
	if asc.mtime < xml.mtime {
		return fmt.Errorf("repomd.xml was changed %s after it was signed", time.Duration(xml.mtime-asc.mtime).Round(time.Second))
	}
	if key == nil {
		return nil
	}
	var text [2][]byte
	for i, p := range []string{repomd, signature} {
		f, _, err := openFile(v.from, path.Join(at.path, p))
		if err != nil {
			return err
		}
		text[i], err = io.ReadAll(io.LimitReader(f, 4<<20))
		f.Close()
		if err != nil {
			return err
		}
	}
	if err := key.VerifyDetached(text[0], text[1], now); err != nil {
		return fmt.Errorf("repomd.xml.asc: %w", err)
	}
	return nil
}
