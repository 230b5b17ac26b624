package check

import (
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/placeholder"
)

// expand puts the words of the release into the URL, where each brace must be one
// of a placeholder, and into the wanted text, which may well hold others.
func (p *probe) expand(env *pipeline.Env) (err error) {
	if !strings.ContainsRune(p.URL+p.Contains, '{') {
		return nil
	}
	words := placeholder.Words(env, p.target)
	if p.URL, err = config.Expand(p.URL, words); err != nil {
		return err
	}
	p.Contains, err = placeholder.Expand(p.Contains, words)
	return err
}
