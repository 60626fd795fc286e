package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Client talks to a running sensor.
type Client struct {
	path string
	http http.Client
}

// Dial returns a client for the socket at path; the first call finds out whether somebody answers.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 30 * time.Second}}
}

// Status asks for the sensor's state.
func (c *Client) Status() (Status, error) {
	var s Status
	return s, c.call(http.MethodGet, "/status", nil, &s)
}

// Verdicts lists what the sensor enforces.
func (c *Client) Verdicts() ([]Entry, error) {
	var list []Entry
	return list, c.call(http.MethodGet, "/verdicts", nil, &list)
}

// AddVerdict asks for v and returns it as it was accepted. Whoever may open the socket counts as an analyst.
func (c *Client) AddVerdict(v verdict.Verdict) (verdict.Verdict, error) {
	var added verdict.Verdict
	v.Origin = verdict.OriginAnalyst
	return added, c.call(http.MethodPost, "/verdicts", v, &added)
}

// RemoveVerdict lifts the verdict with this id.
func (c *Client) RemoveVerdict(id string) error {
	return c.call(http.MethodDelete, "/verdicts/"+url.PathEscape(id), nil, nil)
}

// KillSwitch stops (on) or resumes all dropping.
func (c *Client) KillSwitch(on bool) error { return c.call(http.MethodPost, "/kill-switch", on, nil) }

// Attacks lists the attacks that are on.
func (c *Client) Attacks() ([]Attack, error) {
	var list []Attack
	return list, c.call(http.MethodGet, "/floods", nil, &list)
}

// Baselines asks for what the sensor has learned to be usual.
func (c *Client) Baselines() (json.RawMessage, error) {
	var text json.RawMessage
	return text, c.call(http.MethodGet, "/floods/baselines", nil, &text)
}

// SetBaselines replaces those of the networks and classes in text.
func (c *Client) SetBaselines(text json.RawMessage) error {
	return c.call(http.MethodPut, "/floods/baselines", text, nil)
}

// Reload reads the rules again.
func (c *Client) Reload() error { return c.call(http.MethodPost, "/reload", nil, nil) }

func (c *Client) call(method, path string, body, into any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	req, err := http.NewRequest(method, "http://sensor"+path, &text)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("no sensor answers on %s (is it running? --control names another socket): %w", c.path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var p problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Error == "" {
			return fmt.Errorf("the sensor answered %s", resp.Status)
		}
		return errors.New(p.Error)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
