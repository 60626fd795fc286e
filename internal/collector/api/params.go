package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// params reads a request's query and gathers what is wrong with it.
type params struct {
	values url.Values
	errs   []FieldError
}

// query begins reading r's parameters; those not in allowed are errors, so that a mistyped filter does not show everything.
func query(r *http.Request, allowed ...string) *params {
	p := &params{values: r.URL.Query()}
	for name := range p.values {
		if !slices.Contains(allowed, name) {
			p.bad(name, "no such parameter; there are "+strings.Join(allowed, ", "))
		}
	}
	return p
}

func (p *params) bad(field, detail string) {
	p.errs = append(p.errs, FieldError{Field: field, Detail: detail})
}

func (p *params) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	slices.SortFunc(p.errs, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return &Invalid{p.errs}
}

// number reads a whole number within bounds.
func (p *params) number(name string, least, most, otherwise int64) int64 {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.bad(name, fmt.Sprintf("%q is not a whole number from %d to %d", text, least, most))
		return otherwise
	}
	return n
}

const maxParam = 256

func (p *params) text(name string) string {
	text := p.values.Get(name)
	if len(text) > maxParam {
		p.bad(name, fmt.Sprintf("longer than %d bytes", maxParam))
	}
	return text
}

func (p *params) prefix(name string) netip.Prefix {
	text := p.values.Get(name)
	if text == "" {
		return netip.Prefix{}
	}
	got, err := parsePrefix(text)
	if err != nil {
		p.bad(name, err.Error())
	}
	return got
}

// parsePrefix reads an address or a prefix; host bits must be zero, so that nobody blocks more than was written.
func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix such as 192.0.2.0/24", text)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q: write an IPv4 prefix in IPv4 form", text)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind the prefix; %s is the network", text, p.Masked())
	}
	return p, nil
}

// moment reads an RFC 3339 time, or a span before now such as 90m, 24h or 7d.
func (p *params) moment(name string, now time.Time) time.Time {
	return p.momentOf(name, p.values.Get(name), now)
}

func (p *params) momentOf(name, text string, now time.Time) time.Time {
	if text == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC()
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 36500 {
			return now.AddDate(0, 0, -n)
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d)
	}
	p.bad(name, fmt.Sprintf("%q is neither a time (2026-11-24T12:00:00Z) nor a span before now (90m, 24h, 7d)", text))
	return time.Time{}
}

func (p *params) flag(name string) bool {
	text := p.values.Get(name)
	if text != "" && text != "true" && text != "false" {
		p.bad(name, "true or false")
	}
	return text == "true"
}

// filterParams are those of filter.
var filterParams = []string{"query", "sid", "src", "dst", "sensor", "severity", "action", "app", "q", "since", "until"}

// listParams are filterParams and what only lists heed.
var listParams = append(slices.Clone(filterParams), "hide")

func (p *params) filter(now time.Time) store.Filter {
	f := store.Filter{
		SID:      uint32(p.number("sid", 1, 1<<32-1, 0)),
		Src:      p.prefix("src"),
		Dst:      p.prefix("dst"),
		Sensor:   p.text("sensor"),
		Severity: uint8(p.number("severity", 1, 255, 0)),
		Action:   p.text("action"),
		App:      p.text("app"),
		Query:    p.text("q"),
		Terms:    p.terms("query", p.values.Get("query")),
		Hide:     p.flag("hide"),
		Since:    p.moment("since", now),
		Until:    p.moment("until", now),
	}
	if !f.Until.IsZero() && f.Until.Before(f.Since) {
		p.bad("until", "lies before since")
	}
	return f
}
