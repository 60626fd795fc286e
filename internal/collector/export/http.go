package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// poster sends bodies to one address.
type poster struct {
	client *http.Client
	url    string
	agent  string
}

func newPoster(c *Config, version string) (poster, error) {
	secure, err := c.TLS.client()
	if err != nil {
		return poster{}, err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2,
		IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
	}
	return poster{client: &http.Client{Transport: t, CheckRedirect: refuseRedirect}, url: c.URL, agent: "weir-collector/" + version}, nil
}

// refuseRedirect keeps secrets from travelling on.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// post sends body and returns the answer's. Whatever is not a 2xx is an error.
func (p *poster) post(ctx context.Context, body []byte, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if header != nil {
		req.Header = header
	}
	return p.do(req)
}

func (p *poster) do(req *http.Request) ([]byte, error) {
	req.Header.Set("User-Agent", p.agent)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return answer, judge(resp, answer)
}

// judge tells what may pass from what will not.
func judge(resp *http.Response, answer []byte) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	err := fmt.Errorf("answered %s: %.200s", resp.Status, bytes.TrimSpace(answer))
	switch {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		if s, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && s > 0 {
			return &later{after: min(time.Duration(s)*time.Second, 10*time.Minute), err: err}
		}
		return err
	case code == http.StatusRequestTimeout, code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 500:
		return err // an expired secret is replaced without the events being lost
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// httpLines posts newline-delimited records. The secret, if there is one, is the whole Authorization header.
type httpLines struct {
	poster
	encoder
	secret Secret
}

func openHTTP(c *Config, version string) (Sink, error) {
	p, err := newPoster(c, version)
	if err != nil {
		return nil, err
	}
	_, err = c.Secret.Value()
	return &httpLines{poster: p, encoder: encoder{c.Format, version}, secret: c.Secret}, err
}

// Send implements Sink.
func (s *httpLines) Send(ctx context.Context, events []Event) error {
	var body []byte
	for i := range events {
		lines, err := s.encode(&events[i])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		for _, line := range lines {
			body = append(append(body, line...), '\n')
		}
	}
	h := http.Header{"Content-Type": {"application/x-ndjson"}}
	if s.format == FormatCEF {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	secret, err := s.secret.Value()
	if err != nil {
		return err
	}
	if secret != "" {
		h.Set("Authorization", secret)
	}
	_, err = s.post(ctx, body, h)
	return err
}

// Close implements Sink.
func (p *poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// postJSON sends v as JSON.
func (p *poster) postJSON(ctx context.Context, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return p.post(ctx, body, http.Header{"Content-Type": {"application/json"}})
}
