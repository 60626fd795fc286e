package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseQuery(t *testing.T) {
	num := func(lo, hi uint64) Value { return Value{Low: lo, High: hi} }
	for text, want := range map[string]Term{
		"sid:2100498":        {Field: "sid", Values: []Value{num(2100498, 2100498)}},
		"sid:1,5-7":          {Field: "sid", Values: []Value{num(1, 1), num(5, 7)}},
		"severity<=2":        {Field: "severity", Values: []Value{num(0, 2)}},
		"severity<2":         {Field: "severity", Values: []Value{num(0, 1)}},
		"-severity>2":        {Field: "severity", Not: true, Values: []Value{num(3, 255)}},
		"Severity>=2":        {Field: "severity", Values: []Value{num(2, 255)}},
		"src:10.0.0.0/8":     {Field: "src", Values: []Value{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}},
		"ip:2001:db8::1":     {Field: "ip", Values: []Value{{Prefix: netip.MustParsePrefix("2001:db8::1/128")}}},
		"-app:dns":           {Field: "app", Not: true, Values: []Value{{Text: "dns"}}},
		`sensor:"edge one"`:  {Field: "sensor", Values: []Value{{Text: "edge one"}}},
		"is:escalated":       {Field: "is", Values: []Value{{Text: "escalated"}}},
		`-"id check"`:        {Not: true, Values: []Value{{Text: "id check"}}},
		"2001:db8::1":        {Values: []Value{{Text: "2001:db8::1"}}},
		"CVE-2021-44228":     {Values: []Value{{Text: "CVE-2021-44228"}}},
		"flow:1844674407370": {Field: "flow", Values: []Value{num(1844674407370, 1844674407370)}},
	} {
		got, err := ParseQuery(" " + text + "  ")
		if err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	if got, err := ParseQuery(`beacon sid:7 -"a b" 10.1`); err != nil || len(got) != 4 {
		t.Errorf("four conditions: %v %v", got, err)
	}
}

func TestParseQuerySaysWhatIsWrongAndWhere(t *testing.T) {
	for text, want := range map[string]struct {
		bad, detail string // the part that is wrong
	}{
		"a colour:red":            {"colour", "no field"},
		"src:300.1.1.1":           {"300.1.1.1", "neither an address"},
		"x sid:1,y,2":             {"y", "not a number"},
		"severity:":               {"severity:", "of what?"},
		"severity:300":            {"300", "up to 255"},
		"severity<0":              {"0", "no number is < 0"},
		"app<2":                   {"app<2", "cannot be compared"},
		"is:done":                 {"done", "open, archived, escalated"},
		`one "two three`:          {`"two three`, "not closed"},
		"port:80-22":              {"80-22", "not a number"},
		"sensor:,":                {"", "of what?"},
		strings.Repeat("w ", 40):  {strings.Repeat("w ", 8), "more than 32"},
		strings.Repeat("w", 3000): {strings.Repeat("w", 952), "longer than"},
	} {
		_, err := ParseQuery(text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || text[syntax.Offset:syntax.End] != want.bad || !strings.Contains(err.Error(), want.detail) {
			t.Errorf("%.40q: %v, want %q of %q", text, err, want.detail, want.bad)
		}
	}
}

// What a file answers is what memory decides, for every kind of condition.
func TestTermsMeanTheSameOnDiskAndInMemory(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	all := samples(600)
	mustAppend(t, s, all...)
	for i := range all {
		all[i].State = stateNames[stateOpen]
	}
	for _, text := range []string{
		"", "sid:2100001", "-sid:2100001", "sid:2100000-2100002,2100005", "severity<=2", "severity>2", "-severity:1", "gid:2", "-gid:2",
		"src:10.0.0.0/8", "-src:10.0.0.0/8", "src:10.1.0.0/16,2001:db8::/32", "-src:10.1.0.0/16,10.2.0.0/16", "dst:192.168.0.3", "-dst:192.168.0.3",
		"ip:192.168.0.2", "-ip:192.168.0.2,10.1.1.1", "app:HTTP", "-app:http", "app:none", "-app:none", "app:http,tls", "proto:tcp", "-proto:tcp",
		"sensor:edge-1", "-sensor:edge-1 severity:1", "action:blocked", "port:443", "port>443", "sport:0-32767", "-sport<1000",
		"beacon", "-beacon", `"strike beacon"`, `"beacon strike"`, "-nothere", "nothere", "10.1", "-10.1", "edge-2", "-edge-2", "-edge-2 -nmap -10.2 sid<2100004",
		fmt.Sprintf("flow:%d", all[9].FlowID>>1), "is:open", "is:archived", "-is:open", "assigned:ana", "-assigned:ana",
	} {
		terms, err := ParseQuery(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		f := Filter{Terms: terms}
		page, err := s.Search(t.Context(), f, "", MaxLimit)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		match := f.matcher()
		var want []string
		for i := range all {
			if match(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		if got := ids(page.Alerts); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("%q: the file finds %d, memory %d", text, len(got), len(want))
		}
		f.Since, f.Until = noon.Add(-600*13*time.Minute), noon.Add(time.Minute)
		buckets, err := s.Timeline(t.Context(), f, time.Hour)
		var sum uint64
		for _, b := range buckets {
			sum += b.Total
		}
		if err != nil || sum != uint64(len(want)) {
			t.Errorf("%q: the timeline counts %d, want %d (%v)", text, sum, len(want), err)
		}
		for _, by := range []Dimension{BySignature, BySource, ByTarget} {
			groups, err := s.GroupBy(t.Context(), f, by, 1000)
			sum = 0
			for _, g := range groups {
				sum += g.Count
			}
			if err != nil || sum != uint64(len(want)) {
				t.Errorf("%q by %s: groups count %d, want %d (%v)", text, by, sum, len(want), err)
			}
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, text := range []string{`sid:1,2-3 -app:dns "id check" severity<=2`, "2001:db8::1", `a"b c"d`, "src:10.1", "-", `"`, "-:x", "is:open,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := ParseQuery(text)
		var syntax *SyntaxError
		if err != nil && (!errors.As(err, &syntax) || syntax.Offset < 0 || syntax.End < syntax.Offset || syntax.End > len(text)) {
			t.Fatalf("%q: error %v outside of the text", text, err)
		}
		for _, term := range terms {
			if len(term.Values) == 0 {
				t.Fatalf("%q: a term without values", text)
			}
		}
		a := sample(3)
		(&Filter{Terms: terms}).matcher()(&a)
	})
}
