// Package subscriber looks at what is served with the eyes of those who did not
// pay for it.
package subscriber

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"gantry/config"
)

const (
	keyBytes = 32 // of a real key, which is written in hex
	patience = 30 * time.Second
)

// Guarded checks that what is at address is kept from everybody without a key:
// the server must answer 401 to a request without credentials, and to one with
// the username of subscribers and a key of the right form that nobody was given.
// Redirects are not followed: wherever they lead, they are no 401. The client
// must send no credentials of its own; its Timeout and cookies are not used.
func Guarded(ctx context.Context, client *http.Client, address, username string) error {
	at, err := url.Parse(address)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return errors.New("it cannot be tried without a key: it has no http address")
	}
	if at.User != nil {
		return errors.New("it cannot be tried without a key: the address holds credentials")
	}
	wrong := make([]byte, keyBytes)
	rand.Read(wrong) // never fails
	stranger := http.Client{
		Transport:     client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := turned(ctx, &stranger, at, nil); err != nil {
		return fmt.Errorf("without a key: %w", err)
	}
	if err := turned(ctx, &stranger, at, url.UserPassword(username, hex.EncodeToString(wrong))); err != nil {
		return fmt.Errorf("with a wrong key: %w", err)
	}
	return nil
}

// turned checks that a request is turned away. It does not ask caches to step
// aside: what they give to anybody is served as well.
func turned(ctx context.Context, client *http.Client, at *url.URL, as *url.Userinfo) error {
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "gantry")
	if as != nil {
		password, _ := as.Password()
		req.SetBasicAuth(as.Username(), password)
	}
	where := config.Inert(at.Redacted())
	resp, err := client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // it repeats the address
			err = outer.Err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", where, err)
	}
	resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		return nil
	case code < 300:
		return config.Hint(fmt.Errorf("%s IS SERVED TO ANYBODY: it answers %d, wanted is 401", where, code), "look at once at the authentication before the web server, and hold the line")
	case code < 400:
		return config.Hint(fmt.Errorf("%s answers %d, a redirect, wanted is 401", where, code), "the authentication must answer on that address itself")
	default:
		return config.Hint(fmt.Errorf("%s answers %d %s, wanted is 401", where, code, http.StatusText(code)), "the authentication must come before anything else; is it up?")
	}
}
