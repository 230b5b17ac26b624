package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gantry/config"
)

var errRedirected = errors.New("redirected")

var errSlow = fmt.Errorf("no whole answer within %s", answerWithin)

// Error is an answer other than the one asked for, or none.
type Error struct {
	Status  int           // of HTTP, 0 where there was no answer
	Message string        // what the server said
	After   time.Duration // when to ask again, where the server told
	limited bool          // the rate limit is used up
	err     error         // why there was no answer
}

func (e *Error) Error() string {
	switch {
	case e.Status == 0:
		return "no answer: " + e.Message
	case e.Message == "":
		return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the server answers %d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

func (e *Error) Unwrap() error { return e.err }

// Passing tells whether the same request may well succeed later: the network is
// gone, the server is ill, or it was asked too often. Where the server said when,
// that is after.
func Passing(err error) (after time.Duration, ok bool) {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, errRedirected) {
		return 0, false
	}
	ok = e.Status == 0 || e.limited || e.Status >= 500 && e.Status != http.StatusNotImplemented ||
		e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
	return e.After, ok
}

// Status is the HTTP status of an error of this package, 0 for others.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// unreached is that no answer came. The URL is left out: a redirect may have
// filled it with a token.
func (c *Client) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow) {
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		err = errSlow
	}
	if at := (*url.Error)(nil); errors.As(err, &at) {
		err = at.Err
	}
	message := err.Error()
	if strings.HasPrefix(message, "failed to parse Location header") {
		message = "redirected to what is no URL"
	}
	return config.Hint(&Error{Message: c.clean(message), err: err}, "is "+c.api.Host+" up, and reachable from here?")
}

// refused makes an error of an answer.
func (c *Client) refused(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var said struct {
		Message string `json:"message"`
		Errors  any    `json:"errors"`
	}
	if err == nil && json.Unmarshal(body, &said) == nil { // a page of HTML is not repeated
		e.Message = c.clean(said.Message)
	}
	at := c.Clock()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		e.After = time.Duration(min(seconds, 3600)) * time.Second
		e.limited = e.Status == http.StatusForbidden
	} else if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		e.limited = e.Status == http.StatusForbidden || e.Status == http.StatusTooManyRequests
		e.After = until(resp.Header, at)
	}
	host := c.api.Host
	switch {
	case e.limited || e.Status == http.StatusTooManyRequests:
		return config.Hint(e, host+" was asked too often: it answers again later")
	case e.Status == http.StatusUnauthorized:
		return config.Hint(e, "the token is wrong, revoked or expired: make a new one for "+c.repo)
	case e.Status == http.StatusForbidden:
		return config.Hint(e, "the token may not do that: it needs Actions (read and write), Contents (read) and, to check secrets, Secrets (read) of "+c.repo)
	case e.Status == http.StatusNotFound:
		return config.Hint(e, "check repository and file in release.yaml; what a token may not see is not found either")
	}
	return e
}

// until is how long a rate limit lasts, by the server's own clock.
func until(h http.Header, at time.Time) time.Duration {
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || at.IsZero() {
		return 0
	}
	return min(max(time.Unix(reset, 0).Sub(at), time.Second), time.Hour)
}

// pace spreads what is left of an hour's requests over the rest of it, once it
// runs low.
func pace(h http.Header, at time.Time) time.Duration {
	const low = 200
	left, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || left < 0 || left > low {
		return 0
	}
	return min(until(h, at)/time.Duration(left+1), time.Minute)
}
