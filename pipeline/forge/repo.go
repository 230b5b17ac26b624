package forge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"gantry/config"
)

// fileMost is how many bytes a file of a repository may have that is read.
const fileMost = 256 << 10

// shaForm is a commit, by SHA-1 or SHA-256.
var shaForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Head is the commit that a branch or tag names now.
func (c *Client) Head(ctx context.Context, ref string) (sha string, err error) {
	at := c.path("commits/%s", url.PathEscape(ref))
	if c.kind == config.Forgejo {
		at = c.path("git/commits/%s?stat=false&verification=false&files=false", url.PathEscape(ref))
	}
	var commit struct {
		SHA string `json:"sha"`
	}
	if _, err := c.get(ctx, at, &commit); err != nil {
		if s := Status(err); s == http.StatusNotFound || s == http.StatusUnprocessableEntity {
			return "", config.Hint(fmt.Errorf("%s has no branch or tag %s, or the token may not see it: %w", c.repo, config.Inert(ref), err), "check repository and ref in release.yaml")
		}
		return "", fmt.Errorf("look up %s of %s: %w", config.Inert(ref), c.repo, err)
	}
	if !shaForm.MatchString(commit.SHA) {
		return "", fmt.Errorf("look up %s of %s: %q is no commit", config.Inert(ref), c.repo, c.clean(commit.SHA))
	}
	return commit.SHA, nil
}

// ErrNoFile is that a commit does not have a file.
var ErrNoFile = errors.New("no such file")

// File reads a file as a commit has it, of at most 256 KiB.
func (c *Client) File(ctx context.Context, path, sha string) ([]byte, error) {
	at := c.path("contents/%s?ref=%s", (&url.URL{Path: path}).EscapedPath(), url.QueryEscape(sha))
	var file struct {
		Type     string `json:"type"`
		Encoding string `json:"encoding"`
		Content  string `json:"content"`
	}
	_, err := c.get(ctx, at, &file)
	if Status(err) == http.StatusNotFound {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", path, c.repo, err)
	}
	if file.Type != "file" || file.Encoding != "base64" {
		return nil, fmt.Errorf("read %s of %s: it is a %s in %s, not a file of some lines", path, c.repo, c.clean(file.Type), c.clean(file.Encoding))
	}
	if len(file.Content) > fileMost*2 {
		return nil, fmt.Errorf("read %s of %s: it has more than %d KiB", path, c.repo, fileMost>>10)
	}
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(file.Content, "\n", ""))
	if err != nil || len(b) > fileMost {
		return nil, fmt.Errorf("read %s of %s: it is not what the API documents", path, c.repo)
	}
	return b, nil
}

// Login is who the token is of; empty where the token is of nobody, such as that
// of an application.
func (c *Client) Login(ctx context.Context) (string, error) {
	var user struct {
		Login string `json:"login"`
	}
	_, err := c.get(ctx, c.path("/user"), &user)
	if Status(err) == http.StatusForbidden && !limited(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask whose token it is: %w", err)
	}
	return c.clean(user.Login), nil
}
