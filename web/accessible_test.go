package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axe is axe-core (see testdata/axe-core): the rules of WCAG 2.2 A and AA that a program can check.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// accessible fails for every rule that what is seen breaks.
func (b *browser) accessible(t *testing.T, rules, page string) {
	t.Helper()
	if b.eval(t, `typeof axe`) == "undefined" {
		b.do(t, "load axe", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](rules+";true"))
			return err
		}))
	}
	text := b.await(t, `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] }).then((r) => JSON.stringify(r.violations.map((v) => ({ rule: v.id, help: v.help, at: v.nodes.slice(0, 4).map((n) => n.target.join(" ") + ": " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "")) }))))`)
	var broken []struct {
		Rule, Help string
		At         []string
	}
	if err := json.Unmarshal([]byte(text), &broken); err != nil {
		t.Fatal(err)
	}
	for _, v := range broken {
		t.Errorf("%s: %s: %s\n\t%s", page, v.Rule, v.Help, strings.Join(v.At, "\n\t"))
	}
}

// Every page, in both themes, keeps the rules that a program can check.
func testAccessible(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(300, 0)
	w.putRules(t, `alert http any any -> any any (msg:"first"; content:"one"; sid:2034647; rev:3;)`+"\n")
	w.sensors[0].flood(netip.MustParseAddr("10.0.3.20"), "start", time.Now().Add(-time.Minute), time.Now(), 400_000)
	w.call(t, "POST", "api/v1/verdicts", map[string]any{"match": map[string]string{"src": "198.51.100.7"}, "action": "drop", "ttl_seconds": 3600, "reason": "scan"}, 201)
	w.sensors[0].say("no traffic since 5 min")
	b.do(t, "open", navigate(w.url))
	rules := axe(t)
	for i, page := range []struct{ query, seen, also string }{
		{"", `document.querySelector(".overview-plot canvas") && document.querySelector(".overview-incidents [data-incident]")`, ""},
		{"?view=alerts", `document.querySelectorAll("#alerts .row").length > 5 && document.querySelector("[data-verdict]")`, `document.querySelector("#alerts .row").click()`},
		{"?view=alerts&group=sid", `document.querySelector("[data-group]")`, ""},
		{"?view=incidents", `document.querySelector(".incident-table .title")`, `document.querySelector(".incident-table .title").click()`},
		{"?view=verdicts", `document.querySelector(".verdict-table tbody tr")`, `document.querySelector(".verdict-table .match").click()`},
		{"?view=verdicts&of=waiting", `document.querySelector(".approvals .empty")`, ""},
		{"?view=sensors", `document.querySelectorAll(".fleet-table tbody tr").length === 3`, `document.querySelector(".fleet-table .plain-link").click()`},
		{"?view=rules", `document.querySelector("[data-rule]")`, `document.querySelector(".overview-head .button").click()`},
		{"?view=record", `document.querySelector("[data-audit]")`, `document.querySelector("[data-audit] summary").click()`},
		{"?view=settings&part=policy", `document.querySelector(".settings-page h2")`, `document.querySelector(".settings-page .button").click()`},
		{"?view=settings&part=feeds", `document.querySelector(".settings-page .empty")`, `document.querySelector(".settings-page .button").click()`},
	} {
		b.scheme(t, []string{"light", "dark"}[i%2])
		b.eval(t, fmt.Sprintf(`(document.querySelector("dialog[open]")?.close(), history.pushState(null, "", "/%s"), dispatchEvent(new PopStateEvent("popstate")), 0)`, page.query))
		b.wait(t, page.query, page.seen)
		b.accessible(t, rules, page.query)
		b.scheme(t, []string{"dark", "light"}[i%2])
		if page.also != "" {
			b.eval(t, page.also)
			time.Sleep(500 * time.Millisecond)
		}
		b.accessible(t, rules, fmt.Sprint(page.query, ", further"))
	}
}
