package serve

import (
	"net/http"
	"strings"
	"time"

	"gantry/config"
)

// logged tells of each request in one line: who asked from where, what for, the
// answer's status and bytes. Headers and queries are left out; a secret that
// somebody put into a path is masked.
func logged(h http.Handler, log func(string, ...any), secrets ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		l := &line{ResponseWriter: w}
		h.ServeHTTP(l, r)
		at := r.URL.Path
		for _, secret := range secrets {
			if secret != "" {
				at = strings.ReplaceAll(at, secret, "***")
			}
		}
		if len(at) > maxPath {
			at = at[:maxPath] + "..."
		}
		why := ""
		if l.why != "" {
			why = "  " + l.why
		}
		log("%s %s %s %s %d %d %.3fs%s\n", began.UTC().Format(time.RFC3339), r.RemoteAddr,
			config.Inert(r.Method), config.Inert(at), l.status, l.bytes, time.Since(began).Seconds(), why)
	})
}

// maxPath is how much of a path is logged, in bytes.
const maxPath = 512

// line observes an answer.
type line struct {
	http.ResponseWriter
	status int
	bytes  int64
	why    string // it failed
}

// Unwrap lets deadlines be set through it.
func (l *line) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *line) WriteHeader(status int) {
	if l.status == 0 {
		l.status = status
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *line) Write(p []byte) (int, error) {
	if l.status == 0 {
		l.status = http.StatusOK
	}
	n, err := l.ResponseWriter.Write(p)
	l.bytes += int64(n)
	return n, err
}
