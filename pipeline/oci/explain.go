package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"gantry/config"
)

// said is an error of a registry, its text made harmless.
type said struct {
	text string
	err  error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.err }

// explain says what was being done when an error came, and what to do about it.
func (r *registry) explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	var t *transport.Error
	var op *net.OpError
	text, hint := err.Error(), config.HintOf(err)
	switch {
	case errors.As(err, &t):
		text = refusal(t)
		switch t.StatusCode {
		case http.StatusUnauthorized:
			r.renew()
			hint = "the registry does not take the credentials, or no longer: renew those under registries in release.yaml, or log in with docker login, and run it again; what it has already is not sent again"
		case http.StatusForbidden:
			r.renew()
			hint = "let the user of the registry write to " + r.repo.RepositoryStr()
		case http.StatusMethodNotAllowed:
			hint = "the registry does not allow this; see its documentation"
		case http.StatusRequestEntityTooLarge:
			hint = "raise the limit of the registry, or of the proxy before it"
		case http.StatusNotFound:
			hint = "look whether the registry knows the repository " + r.repo.RepositoryStr() + "; some want it to be made first"
		default:
			if t.StatusCode >= http.StatusInternalServerError || t.StatusCode == http.StatusTooManyRequests {
				hint = "the registry is not well, or overloaded; run it again later: what it has already is not sent again"
			} else if hint == "" {
				hint = "look into the log of the registry"
			}
		}
	case errors.As(err, &op) && op.Op == "dial":
		r.renew()
		hint = "look whether the registry " + r.repo.RegistryStr() + " is up, and can be reached from here"
	case strings.Contains(text, "HTTP response to HTTPS client"):
		hint = config.HintOf(errPlain)
	case hint == "":
		r.renew()
		hint = "look whether the registry is well, and run it again: what it has already is not sent again"
	}
	return config.Hint(fmt.Errorf("%s: %w", doing, &said{config.Inert(shorten(text, 400)), err}), hint)
}

// refusal is what a registry says in an error.
func refusal(t *transport.Error) string {
	text := fmt.Sprintf("the registry says %d %s", t.StatusCode, http.StatusText(t.StatusCode))
	if len(t.Errors) > 0 {
		e := t.Errors[0]
		text += ", " + string(e.Code)
		if e.Message != "" {
			text += ": " + e.Message
		}
		if e.Detail != nil {
			text += fmt.Sprintf(" (%v)", e.Detail)
		}
	}
	return text
}
