package signatures

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestScopes has so many rules of each scope that scopes are scanned apart, and finds what it finds with each rule alone.
func TestScopes(t *testing.T) {
	headers := []string{
		"alert tcp any any -> any any (",
		"alert tcp 10.0.0.0/8 any -> any any (",
		"alert tcp any any -> 10.0.0.2 any (",
		"alert tcp [10.0.0.1,10.0.0.3] any -> !10.0.0.0/8 any (",
		"alert tcp any any <> 10.0.0.1 any (",
		"alert http any any -> any any (",
		"alert ssh any any -> any any (",
		"alert udp any any -> any any (dsize:<40; ",
		"alert udp any any -> any any (dsize:<900; ",
		"alert udp any any -> any 53 (dsize:6; ",
		"alert tcp any any -> any 80 (flow:to_server; ",
	}
	contents := []string{`content:"k%02d:%02d";`, `content:"K%02d:%02d"; nocase; startswith;`, `content:"k%02d:%02d"; offset:4; depth:6;`}
	var rules []string
	for h, header := range headers {
		for i := range fewRules + 2 {
			sid := 1000*h + i + 1
			rules = append(rules, fmt.Sprintf(header+contents[i%3]+" sid:%d;)\n", h, i, sid))
		}
	}
	packets := ""
	for h := range headers {
		for i := range 6 {
			key := fmt.Sprintf("k%02d:%02d", h, i)
			port := 4000 + 10*h + i
			for _, text := range []string{key, "----" + key + "     .", "GET /" + key + strings.Repeat("-", 80) + ` HTTP/1.1\r\nHost: a\r\n\r\n`} {
				port += 100
				for _, ends := range []string{"10.0.0.1:%d > 10.0.0.2:80", "192.0.2.1:%d > 10.0.0.1:8080", "10.0.0.3:%d > 192.0.2.1:80"} {
					flow := fmt.Sprintf(ends, port)
					packets += fmt.Sprintf("%s open\n%s send \"%s\"\n", flow, flow, text)
				}
				packets += fmt.Sprintf("10.0.0.1:%d > 10.0.0.2:53 udp \"%s\"\n", port, text)
			}
		}
	}
	found := func(rules string) []string {
		lines := strings.Split(strings.TrimSpace(run(t, map[string]string{"rules": rules, "packets": packets})), "\n")
		slices.Sort(lines)
		return slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	}
	got := found(strings.Join(rules, ""))
	var want []string
	for i, r := range rules {
		if i%(fewRules+2) < 6 { // the others' keys are in no packet
			want = append(want, found(r)...)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("together\n%s\nalone\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for h := range headers {
		if !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, fmt.Sprintf(" %d ", 1000*h+1)) }) && h != 6 {
			t.Errorf("no rule of %q has matched: the test compares nothing", headers[h])
		}
	}
}
