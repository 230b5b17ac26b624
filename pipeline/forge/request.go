package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"gantry/config"
)

// path is the URL of a path below the repository, or below the API where it
// begins with a slash.
func (c *Client) path(format string, args ...any) string {
	p := fmt.Sprintf(format, args...)
	if !strings.HasPrefix(p, "/") {
		p = "/repos/" + c.repo + "/" + p
	}
	return c.api.String() + p
}

// get reads JSON, once. total is what X-Total-Count says, -1 without it.
func (c *Client) get(ctx context.Context, at string, into any) (total int, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, answerWithin, errSlow)
	defer stop()
	req, err := c.request(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	was, known := c.kept[at]
	c.mu.Unlock()
	if known {
		req.Header.Set("If-None-Match", was.etag)
	}
	resp, err := c.do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && known {
		return was.total, unmarshal(was.body, into)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, c.refused(resp)
	}
	body, err := c.body(ctx, resp)
	if err != nil {
		return 0, err
	}
	if err := unmarshal(body, into); err != nil {
		return 0, err
	}
	if total, err = strconv.Atoi(resp.Header.Get("X-Total-Count")); err != nil || total < 0 {
		total = -1
	}
	if etag := resp.Header.Get("ETag"); etag != "" && len(etag) < 200 && len(body) <= keptBytes {
		c.mu.Lock()
		if len(c.kept) >= keptMost {
			clear(c.kept)
		}
		c.kept[at] = kept{etag, body, total}
		c.mu.Unlock()
	}
	return total, nil
}

// post sends JSON and returns the status and the answer.
func (c *Client) post(ctx context.Context, at string, body any) (int, []byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, answerWithin, errSlow)
	defer stop()
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := c.request(ctx, http.MethodPost, at, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, nil, c.refused(resp)
	}
	answer, err := c.body(ctx, resp)
	return resp.StatusCode, answer, err
}

func (c *Client) request(ctx context.Context, method, at string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "gantry")
	if c.kind == config.GitHub {
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		req.Header.Set("Authorization", "Bearer "+c.token)
	} else {
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Authorization", "token "+c.token)
	}
	return req, nil
}

func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(req.Context(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.at = at
	}
	c.slow = pace(resp.Header, c.at)
	return resp, nil
}

// body reads an answer whole, or not at all.
func (c *Client) body(ctx context.Context, resp *http.Response) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, bodyMost+1))
	if err != nil {
		return nil, c.unreached(ctx, err)
	}
	if len(b) > bodyMost {
		return nil, fmt.Errorf("%s answered with more than %d MiB", c.api.Host, bodyMost>>20)
	}
	return b, nil
}

func unmarshal(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return config.Hint(errors.New("the answer is not what the API documents: "+config.Inert(clip(err.Error()))), "check kind and api of the forge in release.yaml")
	}
	return nil
}

// pages reads a listing page by page, until page tells that it has enough or
// the listing ends. page reads one and tells how many entries it has and how many
// there are in all, -1 where the answer does not say. at ends where the number of
// the page belongs.
func (c *Client) pages(ctx context.Context, at string, into func() any, page func(header int) (n, total int, enough bool)) error {
	seen := 0
	for number := 1; number <= pagesMost; number++ {
		header, err := c.get(ctx, at+strconv.Itoa(number), into())
		if err != nil {
			return err
		}
		n, total, enough := page(header)
		seen += n
		if enough || n == 0 || total >= 0 && seen >= total {
			return nil
		}
	}
	return fmt.Errorf("%s lists more than %d pages", c.api.Host, pagesMost)
}
