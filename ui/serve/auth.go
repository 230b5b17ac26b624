package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Credentials are a username and a password of HTTP basic authentication.
type Credentials struct{ Username, Password string }

// match tells whether a request carries the credentials. How long it takes does
// not depend on what the request carries. Without a password nobody matches.
func (c Credentials) match(r *http.Request) bool {
	username, password, ok := r.BasicAuth()
	same := equal(username, c.Username) & equal(password, c.Password)
	return ok && c.Password != "" && same == 1
}

func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

func challenge(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="subscribers", charset="UTF-8"`)
}
