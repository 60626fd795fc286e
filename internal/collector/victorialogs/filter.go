package victorialogs

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// compiler turns a filter into LogsQL. See https://docs.victoriametrics.com/victorialogs/logsql/.
type compiler struct {
	decided []store.Decision // in the filter's time
}

// everything and nothing, as filters.
const (
	everything = `weir:="alert"`
	nothing    = `!weir:="alert"`
)

// compile gives filters that all must hold.
func (s *Store) compile(ctx context.Context, f *store.Filter) ([]string, error) {
	from, to := span(f)
	all := []string{during(from, to)}
	var c compiler
	if f.Hide || slices.ContainsFunc(f.Terms, func(t store.Term) bool { return t.Field == "is" || t.Field == "assigned" }) {
		var err error
		if c.decided, err = s.opt.Desk.Decided(ctx, from, to); err != nil {
			return nil, err
		}
	}
	for field, n := range map[string]uint64{"sid": uint64(f.SID), "severity": uint64(f.Severity)} {
		if n != 0 {
			all = append(all, between(field, n, n))
		}
	}
	for field, p := range map[string]netip.Prefix{"src_ip": f.Src, "dest_ip": f.Dst} {
		if p.IsValid() {
			all = append(all, within(field, p))
		}
	}
	for field, name := range map[string]string{"sensor": f.Sensor, "action": f.Action, "app_proto": f.App} {
		if name != "" {
			all = append(all, field+":="+strconv.Quote(name))
		}
	}
	for _, t := range slices.Concat(f.Words(), f.Terms) {
		all = append(all, c.term(t))
	}
	if f.Hide {
		all = append(all, c.hide(f.Suppressed())...)
	}
	return all, nil
}

// span is the filter's time in Unix nanoseconds, both ends included.
func span(f *store.Filter) (from, to int64) {
	from, to = 0, math.MaxInt64
	if !f.Since.IsZero() {
		from = f.Since.UnixNano()
	}
	if !f.Until.IsZero() {
		to = f.Until.UnixNano() - 1
	}
	return from, to
}

func (c *compiler) term(t store.Term) string {
	var or []string
	for _, v := range t.Values {
		or = append(or, c.value(t, v))
	}
	text := "(" + strings.Join(or, " or ") + ")"
	if t.Field == "is" {
		text = c.is(t.Values)
	}
	if t.Not {
		return "!" + text
	}
	return text
}

// columns are the fields of an entry that a query's field asks for.
var columns = map[string][]string{
	"sid": {"sid"}, "gid": {"gid"}, "severity": {"severity"}, "port": {"dest_port"}, "sport": {"src_port"}, "flow": {"flow_id"},
	"src": {"src_ip"}, "dst": {"dest_ip"}, "ip": {"src_ip", "dest_ip"},
	"sensor": {"sensor"}, "action": {"action"}, "app": {"app_proto"}, "proto": {"proto"},
}

func (c *compiler) value(t store.Term, v store.Value) string {
	switch {
	case t.Field == "":
		return meaning(t.Meaning())
	case t.Field == "assigned":
		return c.ids(func(d *store.Decision) bool { return strings.EqualFold(d.Assignee, v.Text) })
	}
	var or []string
	for _, field := range columns[t.Field] {
		switch {
		case v.Prefix.IsValid():
			or = append(or, within(field, v.Prefix))
		case v.Text != "":
			or = append(or, field+":~"+named(v.Text))
		default:
			or = append(or, between(field, v.Low, v.High))
		}
	}
	return "(" + strings.Join(or, " or ") + ")"
}

// meaning is a text in the signature or the category, a name, or an address.
func meaning(t store.Text) string {
	var or []string
	if len(t.Tokens) > 0 {
		phrase := strconv.Quote(strings.Join(t.Tokens, " "))
		or = append(or, "signature_words:"+phrase+"*", "category_words:"+phrase+"*")
	}
	for _, field := range []string{"sensor", "action", "proto", "app_proto"} {
		or = append(or, field+":~"+named(t.Name))
	}
	if t.Prefix.IsValid() {
		or = append(or, within("src_ip", t.Prefix), within("dest_ip", t.Prefix))
	}
	return "(" + strings.Join(or, " or ") + ")"
}

// named is an expression for a name, whatever its case.
func named(name string) string { return strconv.Quote("(?i)^" + regexp.QuoteMeta(name) + "$") }

func (c *compiler) is(states []store.Value) string {
	has := func(state string) bool {
		return slices.ContainsFunc(states, func(v store.Value) bool { return v.Text == state })
	}
	if has("open") { // what nobody decided about is open
		return "!" + c.ids(func(d *store.Decision) bool { return !has(d.State) })
	}
	return c.ids(func(d *store.Decision) bool { return has(d.State) })
}

func (c *compiler) ids(of func(*store.Decision) bool) string {
	var ids []string
	for i := range c.decided {
		if of(&c.decided[i]) {
			ids = append(ids, c.decided[i].ID)
		}
	}
	return among("id", ids)
}

func (c *compiler) hide(suppressed [][]store.Term) []string {
	all := []string{"!" + c.ids(func(d *store.Decision) bool { return d.State == "archived" })}
	for _, terms := range suppressed {
		var and []string
		for _, t := range terms {
			and = append(and, c.term(t))
		}
		if len(and) > 0 {
			all = append(all, "!("+strings.Join(and, " ")+")")
		}
	}
	return all
}

// among is true of entries whose field is one of values.
func among(field string, values []string) string {
	if len(values) == 0 {
		return "(" + nothing + ")"
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return field + ":in(" + strings.Join(quoted, ",") + ")"
}

// between is a range of numbers, both ends included. The server compares ranges as floating-point numbers, so that of flows' ids only
// single ones are exact.
func between(field string, low, high uint64) string {
	if low == high {
		return fmt.Sprintf(`%s:="%d"`, field, low)
	}
	return fmt.Sprintf("%s:range[%d, %d]", field, low, high)
}

// mapped is what stands for IPv4 among IPv6 addresses, in part.
var mapped = netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff})

func within(field string, p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return field + ":=" + strconv.Quote(p.Addr().String())
	case p.Addr().Is4():
		return field + ":ipv4_range(" + strconv.Quote(p.Masked().String()) + ")"
	}
	text := field + ":ipv6_range(" + strconv.Quote(p.Masked().String()) + ")"
	if p.Contains(mapped) { // the server takes IPv4 for that
		text = "(" + text + " " + field + `:~":")`
	}
	return text
}

// during is a time in Unix nanoseconds, both ends included.
func during(from, to int64) string {
	stamp := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	return "_time:[" + stamp(max(from, 0)) + ", " + stamp(to) + "]"
}
