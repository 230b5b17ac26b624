package config

import (
	"fmt"
	"path"
	"strings"
)

// Address is the URL where clients reach the directory of an edition in
// production. The target's URL stands for the part of the path that all editions
// have in common: with path mirror/pub/rocky/{revision} it is that of
// mirror/pub/rocky. It is empty where the target has none.
func (t *Target) Address(e Edition) (string, error) {
	if t.Tree == nil {
		return "", fmt.Errorf("target %s is no tree", t.Name)
	}
	if t.URL == "" {
		return "", nil
	}
	dir, err := t.Tree.Directory(t.Tree.Production, e)
	if err != nil {
		return "", err
	}
	common := t.Tree.Production.Path
	if at := strings.IndexByte(common, '{'); at >= 0 {
		common = common[:strings.LastIndexByte(common[:at], '/')+1]
	}
	own := strings.Trim(strings.TrimPrefix(dir, strings.TrimSuffix(common, "/")), "/")
	return strings.TrimRight(t.URL, "/") + path.Join("/", own), nil
}
