package check

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// outsideTime bounds the wait for an answer to Status.
const outsideTime = 10 * time.Second

// Status asks for a URL of the configuration as any client would, and returns the
// status of the answer. An error is that nobody answered.
func Status(ctx context.Context, address string) (int, error) {
	ctx, stop := context.WithTimeoutCause(ctx, outsideTime, fmt.Errorf("no answer within %s", outsideTime))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, fmt.Errorf("ask for %s: %w", address, err)
	}
	req.Header.Set("User-Agent", "gantry")
	client, done := newClient()
	defer done()
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for %s: %w", address, why(ctx, err))
	}
	return resp.StatusCode, resp.Body.Close()
}
