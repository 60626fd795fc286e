package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The story of the night: an incident leads the overview, its page tells what happened, its source is blocked from there, all
// dropping is stopped and resumed, and the settings say who may do what.
func testIncidentsKillSwitchAndSettings(t *testing.T, b *browser) {
	w := startWorld(t)
	attacker, victim := netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("10.0.3.20")
	now := time.Now()
	w.sensors[0].raise(attacks[0], attacker, now.Add(-9*time.Minute), false)
	w.sensors[1].raise(attacks[1], attacker, now.Add(-8*time.Minute), false)
	for i := range 6 {
		w.sensors[i%3].raise(attacks[5], attacker, now.Add(time.Duration(i-6)*time.Minute), false)
	}
	w.sensors[0].raise(attacks[4], attacker, now.Add(-20*time.Second), false)
	w.sensors[0].flood(victim, "start", now.Add(-90*time.Second), now.Add(-80*time.Second), 400_000)
	w.sensors[0].flood(victim, "update", now.Add(-90*time.Second), now.Add(-5*time.Second), 3_600_000)

	b.scheme(t, "light")
	b.do(t, "open", navigate(w.url))
	b.wait(t, "incidents lead the overview", `document.querySelectorAll(".overview-incidents [data-incident]").length >= 2`)
	b.wait(t, "the warning that nobody has an account", `document.querySelector(".banner.warn")?.textContent.includes("Nobody has an account yet")`)
	b.shoot(t, "overview-incidents-light")
	b.key(t, "2")
	b.wait(t, "the list", `document.querySelector(".incident-table .title")?.closest("tr").textContent.includes("critical")`)
	b.shoot(t, "incidents-light")
	b.eval(t, `[...document.querySelectorAll(".incident-table tr[data-incident]")].find((r) => r.textContent.includes("203.0.113.77")).querySelector(".title").focus()`)
	b.do(t, "by keyboard", chromedp.KeyEvent(kb.Enter))
	b.wait(t, "its story", `document.querySelector(".incident-head h1") && document.querySelectorAll(".story li").length >= 3 && document.querySelectorAll(".member-list li").length >= 8`)
	b.wait(t, "the kill chain in order", `[...document.querySelectorAll(".chain [data-stage]")].map((s) => s.dataset.stage).join() === "TA0043,TA0001"`)
	b.wait(t, "the runbook", `document.querySelector(".runbook article h3")?.textContent === "Scan" && document.querySelectorAll(".runbook li").length >= 2`)
	b.wait(t, "sensors", `document.querySelector('[aria-label="Sensors"] .parties')?.children.length === 3`)

	// Try first what a block would stop.
	b.do(t, "try", chromedp.Click(`[aria-label="Block 203.0.113.77…"]`))
	b.wait(t, "the dialog", `document.querySelector("dialog[open] #f-src")?.value === "203.0.113.77"`)
	b.do(t, "observe", chromedp.Click(`//dialog//label[text()="Observe"]`), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "it is carried out", `document.querySelector(".incident-main [data-verdict]")?.textContent.includes("on 3 of 3 sensors")`)
	if !w.sensors[0].traffic(attacker, 500) {
		t.Error("a verdict that observes stops packets")
	}
	b.wait(t, "what it would have stopped", `document.querySelector(".incident-main [data-verdict]").textContent.includes("would have stopped 500 packets") && document.querySelector(".incident-head .lead").textContent.includes("Nothing was stopped; 500 packets would have been")`)
	// By keyboard: the plot of what would have been stopped comes about now, and moves what a pointer aims at.
	b.do(t, "end the trial", chromedp.Focus(`.incident-main [data-verdict] button[aria-label^="Remove"]`), chromedp.KeyEvent(kb.Enter))
	b.wait(t, "ended", `!document.querySelector(".incident-main .life")`)

	// Block its source from here, and watch the drops.
	b.do(t, "block", chromedp.Click(`[aria-label="Block 203.0.113.77…"]`))
	b.wait(t, "preview", `document.querySelector("dialog[open] #f-src")?.value === "203.0.113.77" && document.querySelector("[data-testid=preview] dl")`)
	b.do(t, "do it", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "the verdict is part of the story", `document.querySelector(".incident-main [data-verdict] .a-drop") && document.querySelector(".incident-main .life")`)
	waitFor(t, "the source is stopped", func() bool { return !w.sensors[1].traffic(attacker, 900) })
	b.wait(t, "its effect", `document.querySelector(".incident-head .lead").textContent.includes("packets were stopped") && document.querySelector(".stopped canvas")`)
	b.do(t, "take it up", chromedp.Click(`//button[text()="Take it up"]`))
	b.wait(t, "taken up", `document.querySelector(".incident-head .status").textContent === "taken up" && document.querySelector(".incident-head").textContent.includes("assigned to ana")`)
	b.do(t, "comment", chromedp.SendKeys(".comment input", "Blocked; the shop is being patched."+kb.Enter))
	b.wait(t, "written down", `document.querySelector(".story .k-comment")?.textContent.includes("being patched")`)
	b.shoot(t, "incident-light")
	b.scheme(t, "dark")
	b.shoot(t, "incident-dark")
	report := b.eval(t, `document.querySelector(".incident-head a.button").getAttribute("href")`)
	if page := w.call(t, http.MethodGet, strings.TrimPrefix(report, "/"), nil, http.StatusOK); !strings.Contains(page, "being patched") || !strings.Contains(page, "203.0.113.77") {
		t.Error("the report does not tell the story")
	}
	b.do(t, "resolve", chromedp.Click(`//button[text()="Resolve…"]`), chromedp.Click(`//button[starts-with(text(),"was an attack")]`))
	b.wait(t, "resolved", `document.querySelector(".incident-head .status").textContent === "was an attack"`)

	// The flood: what sensors do by themselves, step by step.
	b.key(t, kb.Escape)
	b.wait(t, "the list again", `document.querySelectorAll(".incident-table tr[data-incident]").length === 1`)
	b.key(t, "j")
	b.do(t, "open the flood", chromedp.KeyEvent(kb.Enter))
	b.wait(t, "the ladder", `[...document.querySelectorAll(".ladder li.taken")].map((l) => l.dataset.step).join() === "fingerprint,rate limit" && document.querySelector(".ladder").textContent.includes("3,240,000 packets dropped")`)
	b.wait(t, "its runbook", `document.querySelector(".runbook h3")?.textContent === "SYN flood"`)
	b.shoot(t, "flood-incident-dark")

	w.sensors[2].say("the kill switch is on: nothing is dropped, nothing inspected") // its own operator's
	killSwitch(t, b, w)
	settings(t, b, w)
	b.noErrors(t)
}

// killSwitch stops all dropping with a reason, sees it on every page, and resumes.
func killSwitch(t *testing.T, b *browser, w *world) {
	b.key(t, "K")
	b.wait(t, "the dialog", `document.querySelector("dialog[open] #f-kill-reason") === document.activeElement && document.querySelector("dialog footer .danger").disabled`)
	b.do(t, "a reason", chromedp.KeyEvent("checkout is down"))
	b.shoot(t, "kill-dark")
	b.do(t, "stop", chromedp.Click("dialog[open] footer .danger"))
	for _, key := range []string{"1", "4", "8"} {
		b.key(t, key)
		b.wait(t, "the state on page "+key, `/nothing is dropped anywhere.*By ana.*checkout is down/.test(document.querySelector("[data-testid=kill-banner]")?.textContent) && document.querySelector(".kill.thrown")`)
	}
	b.key(t, "5")
	b.wait(t, "sensors say so", `[...document.querySelectorAll(".fleet-table tbody tr")].length === 3 && [...document.querySelectorAll(".fleet-table tbody tr")].every((r) => r.textContent.includes("kill switch"))`)
	b.do(t, "look closer", chromedp.Click(".fleet-table tbody tr .plain-link"))
	b.wait(t, "what a sensor says", `document.querySelector(".verdict-more")?.textContent.includes("Carries out the verdict log")`)
	b.shoot(t, "killed-sensors-dark")
	if state := w.call(t, http.MethodGet, "api/v1/kill-switch", nil, http.StatusOK); !strings.Contains(state, `"scopes":["all"]`) || !strings.Contains(state, "checkout is down") {
		t.Errorf("the collector says %s", state)
	}
	b.do(t, "resume", chromedp.Click(`.banner button`))
	b.wait(t, "over, but for the sensor that its operator stopped", `/^Switched off on the host: edge-3 drops nothing/.test(document.querySelector("[data-testid=kill-banner]")?.textContent) && !document.querySelector(".kill.thrown") && document.querySelector(".toasts").textContent.includes("Verdicts are enforced again")`)

	// Only a part: feeds that went wrong.
	b.key(t, "K")
	b.wait(t, "the dialog", `document.querySelector("dialog[open] #f-kill-reason") === document.activeElement`)
	b.do(t, "a reason", chromedp.KeyEvent("a list names our CDN"))
	b.eval(t, `(() => { const s = document.querySelector("#f-kill-what"); s.value = "feed"; s.dispatchEvent(new Event("change", { bubbles: true })); })()`)
	b.wait(t, "what that means", `document.querySelector("dialog .caution").textContent.includes("go on counting") && !document.querySelector("#f-kill-scope")`)
	b.shoot(t, "kill-part-dark")
	b.do(t, "stop them", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "feeds stop nothing", `document.querySelector("[data-testid=kill-banner]")?.textContent.includes("feeds stop nothing") && document.querySelector(".kill.thrown")`)
	if state := w.call(t, http.MethodGet, "api/v1/kill-switch", nil, http.StatusOK); !strings.Contains(state, `"scopes":[],"origins":["feed"]`) {
		t.Errorf("the collector says %s", state)
	}
	b.do(t, "resume", chromedp.Click(`.banner.bad button`))
	b.wait(t, "over", `!document.querySelector(".kill.thrown")`)
}

// settings goes through the pages of the settings, and changes what can be changed.
func settings(t *testing.T, b *browser, w *world) {
	w.sensors[2].say("")
	open := func(part, title string) {
		b.do(t, part, chromedp.Click(fmt.Sprintf(`//nav[contains(@class,"settings-nav")]/button[text()=%q]`, part)))
		b.wait(t, part, fmt.Sprintf(`document.querySelector(".settings-page h2")?.textContent.startsWith(%q)`, title))
	}
	b.key(t, "8")
	b.wait(t, "the collector", `document.querySelector(".settings-page")?.textContent.includes("Verdict log")`)
	b.shoot(t, "settings-dark")
	b.scheme(t, "light")
	open("API tokens", "API tokens")
	b.do(t, "a token", chromedp.Click(`//button[text()="New token"]`), chromedp.SendKeys("#f-token-name", "grafana"), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "shown once", `document.querySelector("[data-testid=secret]")?.textContent.startsWith("weir_") && document.querySelector("[data-token=grafana]")`)
	b.shoot(t, "settings-token-light")
	open("Enrolment", "Enrolment tokens")
	b.do(t, "an enrolment token", chromedp.Click(`//button[text()="New enrolment token"]`), chromedp.SendKeys("#f-enrol-group", "edge"), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "the command", `document.querySelector("[data-testid=secret]")?.textContent.includes("| sensor enroll --token - --url tls://127.0.0.1:") && document.querySelector("[data-enrolment]")?.textContent.includes("edge")`)
	b.shoot(t, "settings-enrolment-light")
	open("Never blocked", "Never blocked")
	b.do(t, "protect", chromedp.Click(`//button[text()="Protect a prefix"]`), chromedp.SendKeys("#f-prefix", "198.51.100.0/24"), chromedp.SendKeys("#f-protect-reason", "our offices"), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "protected", `document.querySelector('[data-protected="198.51.100.0/24"]')?.textContent.includes("our offices")`)
	b.shoot(t, "settings-lists-light")
	open("Policy", "Policy")
	b.do(t, "a rule", chromedp.Click(`//button[text()="New rule"]`))
	b.wait(t, "its dialog", `document.querySelector("dialog[open] #f-p-ladder")`)
	b.eval(t, `(() => { const set = (id, v) => { const e = document.querySelector(id); e.value = v; e.dispatchEvent(new Event("input", { bubbles: true })); e.dispatchEvent(new Event("change", { bubbles: true })); }; set("#f-p-severity", "1"); set("#f-p-action", "observe"); set("#f-p-ladder", "10, 60, 1440"); })()`)
	b.do(t, "save", chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "the policy", `document.querySelector("[data-policy]")?.textContent.includes("severity 1") && document.querySelector("[data-policy] .steps").children.length === 3`)
	b.shoot(t, "settings-policy-light")
	open("Feeds", "Feeds")
	b.wait(t, "feeds teach", `document.querySelector(".settings-page .empty")?.textContent.includes("collector.yaml")`)
	open("Exports", "Exports")
	b.wait(t, "exports teach", `document.querySelector(".settings-page .empty")?.textContent.includes("Security Lake")`)
	open("Users", "Users")
	b.shoot(t, "settings-users-light")
	rules(t, b, w)
	b.phone(t)
	for _, page := range []string{"view=settings&part=policy", "view=incidents", "view=rules"} {
		b.do(t, "on a phone", navigate(w.url+"?"+page))
		b.wait(t, page, `document.querySelector("main .panel")`)
		time.Sleep(500 * time.Millisecond)
		b.shoot(t, "phone-"+strings.NewReplacer("view=", "", "&part=", "-").Replace(page))
		if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
			t.Errorf("%s is wider than the phone", page)
		}
	}
	b.do(t, "the incident", chromedp.Click(".incident-table .title, .rule-list summary, .tabbar [data-view=incidents]"))
	b.do(t, "incidents", navigate(w.url+"?view=incidents&of=all"))
	b.wait(t, "list", `document.querySelector(".incident-table .title")`)
	b.do(t, "open", chromedp.Click(".incident-table .title"))
	b.wait(t, "story", `document.querySelector(".story li")`)
	time.Sleep(500 * time.Millisecond)
	b.shoot(t, "phone-incident")
	if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
		t.Error("an incident is wider than the phone")
	}
}

// rules changes the rules: a mistake is explained, a change is shown before it counts, and undone.
func rules(t *testing.T, b *browser, w *world) {
	w.putRules(t, `alert http any any -> any any (msg:"first"; content:"one"; sid:3000001; rev:1;)`+"\n")
	b.key(t, "6")
	b.wait(t, "the rules", `document.querySelectorAll("[data-rule]").length === 1`)
	b.do(t, "change", chromedp.Click(`//button[text()="Change…"]`))
	b.do(t, "a bad line", chromedp.Click(".editor textarea"), chromedp.SendKeys(".editor textarea", "alert http any any -> any any (msg:\"second\"; content:\"two\"; sid:3000002; rev:1;)\n"))
	b.do(t, "look", chromedp.Click(`//button[text()="See what changes"]`))
	b.wait(t, "the difference", `document.querySelector(".diff ins")?.textContent.includes("second") && document.querySelector(".editor footer").textContent.includes("1 lines added, 0 taken away")`)
	b.shoot(t, "rules-diff-light")
	b.do(t, "try on one sensor", chromedp.Click(`//button[text()="Try on one sensor"]`))
	b.wait(t, "it is on its way", `document.querySelector("[data-rollout]")?.textContent.includes("tried on edge-")`)
	b.shoot(t, "rollout-light")
	b.do(t, "roll back", chromedp.Click(`//button[text()="Roll back"]`))
	b.wait(t, "rolled back", `document.querySelector('[data-rollout="rolled-back"]')`)
	b.do(t, "change again", chromedp.Click(`//button[text()="Change…"]`), chromedp.SendKeys(".editor textarea", "alert http any any -> any any (msg:\"second\"; content:\"two\"; sid:3000002; rev:1;)\n"), chromedp.Click(`//button[text()="See what changes"]`))
	b.wait(t, "the difference again", `document.querySelector(".diff ins")?.textContent.includes("second")`)
	b.do(t, "put", chromedp.Click(".editor .accent"))
	b.wait(t, "two rules", `document.querySelectorAll("[data-rule]").length === 2`)
	b.shoot(t, "rules-light")
	b.do(t, "undo", chromedp.Click(`//div[contains(@class,"toast")][span[contains(text(),"2 rules are in force")]]/button[text()="Undo"]`))
	b.wait(t, "undone", `document.querySelector(".toasts").textContent.includes("before are in force again")`)
}

// Who signs in sees what they may do; what they may not is said, and refused by the collector.
func testSignInAndRoles(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(60, 0)
	var invited struct{ Link string }
	for _, who := range []struct{ name, role string }{{"root", "admin"}, {"vera", "viewer"}} {
		text := w.call(t, http.MethodPost, "api/v1/users", map[string]any{"name": who.name, "roles": []string{who.role}}, http.StatusCreated)
		if err := json.Unmarshal([]byte(text), &invited); err != nil {
			t.Fatal(err)
		}
		if who.name == "vera" {
			break
		}
		w.token = w.accept(t, invited.Link, who.name)
	}
	b.scheme(t, "dark")
	b.do(t, "open", navigate(w.url))
	b.wait(t, "sent to sign in", `location.pathname === "/login" && document.querySelector("[name=password]")`)
	b.shoot(t, "login-dark")
	b.do(t, "the link", navigate(w.url+strings.TrimPrefix(invited.Link, "/")))
	b.wait(t, "chooses a password", `document.querySelector("[name=again]")`)
	b.shoot(t, "invite-dark")
	b.do(t, "set it", chromedp.SendKeys("[name=password]", "correct horse battery"), chromedp.SendKeys("[name=again]", "correct horse battery"), chromedp.Click("button"))
	b.wait(t, "in the console", `location.pathname === "/" && document.querySelector(".account")`)

	b.do(t, "alerts", navigate(w.url+"?view=alerts"))
	b.wait(t, "sees alerts", `document.querySelectorAll("#alerts .row").length > 5`)
	b.key(t, "jb")
	b.wait(t, "says why not", `document.querySelector(".toasts").textContent.includes("needs the role responder; vera has viewer") && !document.querySelector("dialog")`)
	b.key(t, kb.Enter)
	b.wait(t, "the button says so, too", `(x => x && x.getAttribute("aria-disabled") === "true" && x.title.includes("responder"))(document.querySelector(".detail .danger"))`)
	b.shoot(t, "viewer-dark")
	for _, act := range []struct{ method, path, body string }{
		{"POST", "verdicts", `{"match":{"src":"203.0.113.7"},"action":"drop","ttl_seconds":60,"reason":"no"}`}, {"PUT", "kill-switch", `{"scopes":["all"]}`}, {"PUT", "rules", `{"rules":""}`},
		{"POST", "alerts/triage", `{"ids":["x"],"state":"archived"}`}, {"POST", "never-block", `{"prefix":"10.0.0.0/8","reason":"no"}`}, {"POST", "users", `{"name":"x","roles":["admin"]}`}, {"GET", "audit", ""},
	} {
		status := b.await(t, fmt.Sprintf(`fetch("/api/v1/%s", { method: %q, headers: { "Content-Type": "application/json" }, body: %q || undefined }).then((r) => r.status)`, act.path, act.method, act.body))
		if status != "403" {
			t.Errorf("%s %s is answered %s, want 403", act.method, act.path, status)
		}
	}
	b.key(t, kb.Escape+"8")
	b.do(t, "users", chromedp.Click(`//nav[contains(@class,"settings-nav")]/button[text()="Users"]`))
	b.wait(t, "not theirs", `document.querySelector(".settings-page .empty")?.textContent.includes("needs the role admin")`)
	b.do(t, "account", chromedp.Click(".account summary"))
	b.wait(t, "who", `document.querySelector(".account .menu").textContent.includes("vera")`)
	b.shoot(t, "account-dark")
	b.do(t, "sign out", chromedp.Click(`//button[text()="Sign out"]`))
	b.wait(t, "out", `location.pathname === "/login"`)
	b.do(t, "back", chromedp.SendKeys("[name=name]", "vera"), chromedp.SendKeys("[name=password]", "wrong horse battery"), chromedp.Click("button"))
	b.wait(t, "refused", `document.querySelector("[role=alert]")`)
}

// call asks the collector as a program does, and returns what it answers.
func (w *world) call(t *testing.T, method, path string, body any, want int) string {
	t.Helper()
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		send = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, w.url+path, send)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if w.token != "" {
		req.Header.Set("Cookie", w.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Fatalf("%s %s: %s %s %v", method, path, res.Status, answer, err)
	}
	return string(answer)
}

// accept chooses a password by an invitation, and returns the session's cookie.
func (w *world) accept(t *testing.T, link, name string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"invitation": link[strings.Index(link, "=")+1:], "name": name, "password": "correct horse battery"})
	res, err := http.Post(w.url+"api/v1/session/invitation", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated || len(res.Cookies()) == 0 {
		t.Fatalf("invitation of %s: %s", name, res.Status)
	}
	c := res.Cookies()[0]
	return c.Name + "=" + c.Value
}
