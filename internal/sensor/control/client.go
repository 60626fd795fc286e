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
	"strings"
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

// Upgraded says what an upgrade has done.
type Upgraded struct {
	From string        `json:"from"` // version
	To   string        `json:"to"`
	Took time.Duration `json:"took_ns"` // from the last answer of the one to the first of the other
	Now  Status        `json:"now"`
}

// checkWait is how long the sensor may take to find out whether the installed program fits.
const checkWait = 4 * time.Minute

// Upgrade has the installed program take over and waits until that is healthy.
func (c *Client) Upgrade(wait time.Duration) (u Upgraded, err error) {
	before, err := c.Status()
	if err != nil {
		return u, err
	}
	u.From = before.Version
	patient := *c
	patient.http.Timeout = checkWait
	if err := patient.call(http.MethodPost, "/upgrade", nil, &u.To); err != nil {
		return u, fmt.Errorf("%w; version %s goes on", err, before.Version)
	}
	start := time.Now()
	for ; time.Since(start) < wait; time.Sleep(20 * time.Millisecond) {
		if u.Now, err = c.Status(); err != nil || u.Now.Started.Equal(before.Started) {
			continue
		}
		if u.Took == 0 {
			u.Took = time.Since(start)
		}
		if u.Now.UpgradeRefused != "" {
			return u, fmt.Errorf("version %s did not start: %s; version %s goes on", u.To, u.Now.UpgradeRefused, u.Now.Version)
		}
		if u.Now.Healthy {
			return u, nil
		}
	}
	if err != nil {
		return u, fmt.Errorf("version %s does not answer after %v: %w", u.To, wait, err)
	}
	return u, fmt.Errorf("version %s is not healthy after %v: %s", u.To, wait, strings.Join(u.Now.Reasons, "; "))
}

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
