package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// verdictRequest is the body of a request for a verdict.
type verdictRequest struct {
	Match struct {
		Src   string           `json:"src"`
		Dst   string           `json:"dst"`
		Proto json.RawMessage  `json:"proto"` // a number, or tcp, udp, icmp, icmpv6
		Port  uint16           `json:"port"`
		Flow  *verdict.FlowKey `json:"flow"`
	} `json:"match"`
	Action     string   `json:"action"`
	TTLSeconds int64    `json:"ttl_seconds"`
	Reason     string   `json:"reason"`
	Scope      string   `json:"scope"`
	Rate       uint32   `json:"rate"`     // packets per second, with action ratelimit
	Rule       uint32   `json:"rule"`     // sid of the signature that gave cause
	Evidence   []string `json:"evidence"` // ids of alerts
}

// MaxTTL is the longest that a person may decide for.
const MaxTTL = 30 * 24 * time.Hour

const (
	maxReason   = 500
	maxEvidence = 10
)

// verdict checks every field and says everything that is wrong at once.
func (q *verdictRequest) verdict(now time.Time) (verdict.Verdict, error) {
	var p params
	v := verdict.Verdict{
		Match:    q.match(&p),
		Scope:    q.Scope,
		Rule:     q.Rule,
		Evidence: q.Evidence,
		Rate:     q.Rate,
		Reason:   strings.TrimSpace(q.Reason),
	}
	action := slices.Index(actionNames, q.Action)
	if action < 0 {
		p.bad("action", fmt.Sprintf("%q is not one of %s", q.Action, strings.Join(actionNames, ", ")))
	}
	v.Action = verdict.Action(max(action, 0))
	if (v.Action == verdict.RateLimit) != (q.Rate > 0) {
		p.bad("rate", "packets per second: wanted with ratelimit, and only with it")
	}
	if q.TTLSeconds < 1 || q.TTLSeconds > int64(MaxTTL/time.Second) {
		p.bad("ttl_seconds", fmt.Sprintf("%d is not from 1 to %d: nothing is for ever", q.TTLSeconds, int64(MaxTTL/time.Second)))
	}
	if v.Reason == "" || len(v.Reason) > maxReason {
		p.bad("reason", fmt.Sprintf("say why, in 1 to %d bytes: whoever finds it at night will ask", maxReason))
	}
	if len(q.Scope) > maxParam {
		p.bad("scope", fmt.Sprintf("longer than %d bytes", maxParam))
	}
	if len(q.Evidence) > maxEvidence {
		p.bad("evidence", fmt.Sprintf("%d alerts; %d are enough", len(q.Evidence), maxEvidence))
	}
	v.CreatedAt = now
	v.ExpiresAt = now.Add(time.Duration(q.TTLSeconds) * time.Second)
	return v, p.err()
}

func (q *verdictRequest) match(p *params) verdict.Match {
	m := verdict.Match{Flow: q.Match.Flow, Port: q.Match.Port, Proto: q.proto(p)}
	for _, f := range []struct {
		name, text string
		to         *netip.Prefix
	}{{"match.src", q.Match.Src, &m.Src}, {"match.dst", q.Match.Dst, &m.Dst}} {
		if f.text == "" {
			continue
		}
		got, err := parsePrefix(f.text)
		if err != nil {
			p.bad(f.name, err.Error())
		}
		*f.to = got
	}
	switch {
	case m.Flow != nil && (m.Src.IsValid() || m.Dst.IsValid() || m.Proto != 0 || m.Port != 0):
		p.bad("match.flow", "a flow says it all: give nothing else beside it")
	case m.Flow == nil && q.Match.Src == "" && q.Match.Dst == "":
		p.bad("match.src", "give the address or prefix to match, such as 203.0.113.7/32")
	case m.Src.IsValid() && m.Dst.IsValid() && m.Src.Addr().Is4() != m.Dst.Addr().Is4():
		p.bad("match.dst", "is of another address family than match.src")
	}
	return m
}

var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}

func (q *verdictRequest) proto(p *params) uint8 {
	if len(q.Match.Proto) == 0 || string(q.Match.Proto) == "null" {
		return 0
	}
	text := strings.ToLower(strings.Trim(string(q.Match.Proto), `"`))
	if n, ok := protocols[text]; ok {
		return n
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		p.bad("match.proto", fmt.Sprintf("%q is neither a protocol number nor one of icmp, tcp, udp, icmpv6, sctp", text))
	}
	return uint8(n)
}

// readJSON reads a request's body: one JSON object without unknown fields.
func readJSON(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return invalid("Content-Type", "send application/json")
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "more than one JSON value")
	}
	return nil
}

// readOptionalJSON is readJSON where there need not be a body.
func readOptionalJSON(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return readJSON(r, into)
}

// jsonError names the field where the decoder does.
func jsonError(err error) error {
	var large *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return err
	case errors.As(err, &kind) && kind.Field != "":
		return invalid(kind.Field, fmt.Sprintf("a JSON %s; want %s", kind.Value, kind.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid(strings.Trim(name, `"`), "no such field")
	}
	return invalid("body", err.Error())
}
