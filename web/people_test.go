package web_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/identity/identitytest"
)

const password = "correct horse battery"

// hire makes an account for each name with its roles; the first must be an admin.
func (w *world) hire(t *testing.T, people ...[2]string) {
	t.Helper()
	for i, p := range people {
		var invited struct{ Link string }
		text := w.call(t, http.MethodPost, "api/v1/users", map[string]any{"name": p[0], "roles": strings.Fields(p[1])}, http.StatusCreated)
		if err := json.Unmarshal([]byte(text), &invited); err != nil {
			t.Fatal(err)
		}
		if cookie := w.accept(t, invited.Link, p[0]); i == 0 {
			w.token = cookie
		}
	}
}

// signIn ends whatever session the browser has and begins another, which leads to a page.
func (b *browser) signIn(t *testing.T, w *world, name, page string) {
	t.Helper()
	b.do(t, "sign in", navigate(w.url+"login"))
	b.await(t, `fetch("/api/v1/session", { method: "DELETE" }).then((r) => r.status)`)
	b.do(t, "as "+name, navigate(w.url+"login"), chromedp.SendKeys("[name=name]", name), chromedp.SendKeys("[name=password]", password), chromedp.Click("form button"))
	b.wait(t, "signed in", `location.pathname === "/" && document.querySelector(".account")`)
	b.do(t, page, navigate(w.url+page))
}

// Who signs in through the provider has the roles that it says.
func testOpenID(t *testing.T, b *browser) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := "http://" + l.Addr().String()
	l.Close() // the collector takes it over
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := identitytest.Provider(t, "..", public+api.CallbackPath)
	w := startWorld(t, func(c *collector.Config) {
		c.API.Listen = l.Addr().String()
		c.API.OIDC = identity.OIDC{
			Name: "Example SSO", Issuer: issuer, ClientID: "weir", Secret: secret, Public: public, Claim: "preferred_username",
			Roles: map[string][]string{"responder": {"test-user@127.0.0.1"}},
		}
		if key, reason := c.API.OIDC.Check(); key != "" {
			t.Fatal(key, reason)
		}
	})
	b.scheme(t, "dark")
	b.do(t, "open", navigate(w.url))
	b.wait(t, "the way to the provider", `location.pathname === "/login" && [...document.querySelectorAll("a")].some((a) => a.textContent === "Sign in with Example SSO")`)
	b.shoot(t, "login-provider-dark")
	b.do(t, "take it", chromedp.Click(`//a[text()="Sign in with Example SSO"]`))
	b.wait(t, "the provider asks who one is", `location.origin !== "`+public+`" && document.querySelector("[name=username]")`)
	b.do(t, "say so", chromedp.SendKeys("[name=username]", "test-user@127.0.0.1"), chromedp.SendKeys("[name=password]", "verysecure"), chromedp.Click("[type=submit]"))
	b.wait(t, "in the console", `location.origin === "`+public+`" && location.pathname === "/" && document.querySelector(".account")`)
	b.do(t, "who", chromedp.Click(".account summary"))
	b.wait(t, "name and role", `(s => s.includes("test-user@zitadel.ch") && s.includes("responder"))(document.querySelector(".account .menu").textContent)`)
	b.do(t, "out", chromedp.Click(`//button[text()="Sign out"]`))
	b.wait(t, "out", `location.pathname === "/login"`)
}

// What one person may not decide alone waits: somebody else sees who asks and what it would hit, and agrees or declines.
func testApprovals(t *testing.T, b *browser) {
	w := startWorld(t, func(c *collector.Config) { c.Approvals.Classes = []string{"wide", "kill-switch", "never-block"} })
	w.hire(t, [2]string{"root", "admin"}, [2]string{"rita", "responder approver"}, [2]string{"max", "approver"})
	wide := netip.MustParseAddr("203.0.112.9")
	w.sensors[0].raise(attacks[5], wide, time.Now(), false)

	b.scheme(t, "light")
	b.signIn(t, w, "rita", "?view=verdicts")
	b.wait(t, "the page", `document.querySelector(".verdict-page .empty")`)
	b.key(t, "n")
	b.wait(t, "dialog", `document.querySelector("dialog[open] #f-src")`)
	b.do(t, "a wide prefix", chromedp.KeyEvent("203.0.112.0/20"), chromedp.SendKeys("#f-reason", "scanners rent all of it"))
	b.wait(t, "it says so beforehand", `document.querySelector("[data-testid=needs-approval]")?.textContent.includes("wide prefix") && document.querySelector("dialog footer .danger").textContent === "Ask to drop 203.0.112.0/20"`)
	b.shoot(t, "approval-ask-light")
	b.do(t, "ask", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "it waits", `!document.querySelector("dialog") && document.querySelector(".toasts").textContent.includes("Waits for a second person")`)
	b.do(t, "look", chromedp.Click(`//div[contains(@class,"toast")]/button[text()="Show"]`))
	b.wait(t, "one's own", `location.search.includes("of=waiting") && document.querySelector(".order .quorum")?.textContent.includes("you asked") && document.querySelector(".order footer .refused")?.title.includes("somebody else")`)
	b.key(t, "K")
	b.wait(t, "kill switch", `document.querySelector("dialog[open] #f-kill-reason") === document.activeElement`)
	b.do(t, "everywhere", chromedp.KeyEvent("checkout is down"), chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "that waits, too", `!document.querySelector("dialog") && document.querySelectorAll(".order").length === 2 && !document.querySelector(".kill.thrown")`)

	b.signIn(t, w, "max", "")
	b.wait(t, "it is seen from everywhere", `document.querySelector('.bar [data-view=verdicts] .badge.bad')?.textContent === "2"`)
	b.key(t, "4")
	b.wait(t, "who asks for what, and what it would hit", `(s => s.includes("203.0.112.0/20") && s.includes("scanners rent all of it") && s.includes("rita") && /1alert from it/.test(s) && s.includes("3sensors"))(document.querySelector('[data-approval="verdict"]')?.textContent ?? "")`)
	b.shoot(t, "approvals-light")
	b.scheme(t, "dark")
	b.shoot(t, "approvals-dark")
	b.do(t, "decline", chromedp.Click(`//article[@data-approval="kill-switch"]//button[contains(.,"Decline")]`))
	b.wait(t, "asks why", `document.querySelector('[data-approval="kill-switch"] input') === document.activeElement`)
	b.do(t, "why", chromedp.KeyEvent("found the cause"+kb.Enter))
	b.wait(t, "gone", `document.querySelectorAll(".order").length === 1 && document.querySelector(".toasts").textContent.includes("Declined")`)
	b.do(t, "agree", chromedp.Click(`.order footer .accent`))
	b.wait(t, "the note", `document.querySelector('.order input') === document.activeElement`)
	b.do(t, "do it", chromedp.KeyEvent("the abuse desk says so, too"), chromedp.Click(`.order footer .accent`))
	b.wait(t, "nothing waits", `document.querySelector(".approvals .empty")?.textContent.includes("Nothing waits")`)
	b.do(t, "in force", chromedp.Click(`.verdict-page .segments button`))
	b.wait(t, "in force", `document.querySelector(".verdict-page tbody tr")?.textContent.includes("203.0.112.0/20")`)
	waitFor(t, "dropped", func() bool { return !w.sensors[1].traffic(wide, 10) })
	b.phone(t)
	b.signIn(t, w, "rita", "?view=verdicts")
	w.call(t, http.MethodGet, "api/v1/approvals", nil, http.StatusOK)
	status := b.await(t, `fetch("/api/v1/never-block", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"prefix":"198.51.100.0/24","reason":"our offices"}' }).then((r) => r.status)`)
	if status != "202" {
		t.Errorf("a change of the never-block list is answered %s, want 202", status)
	}
	b.wait(t, "told on a phone", `document.querySelector(".wait-link")`)
	b.do(t, "look", chromedp.Click(".wait-link button"))
	b.wait(t, "the order", `document.querySelector('[data-approval="never-block.add"]')?.textContent.includes("Never block 198.51.100.0/24")`)
	b.shoot(t, "phone-approvals")
	if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
		t.Error("approvals are wider than the phone")
	}
	b.do(t, "withdraw", chromedp.Click(`.order footer .button`))
	b.wait(t, "asks why", `document.querySelector('.order input') === document.activeElement`)
	b.do(t, "go", chromedp.KeyEvent(kb.Enter))
	b.wait(t, "withdrawn", `document.querySelector(".approvals .empty")`)
	for _, want := range []string{`"note":"found the cause"`, `"note":"the abuse desk says so, too"`, `"action":"approval.ask"`} {
		if log := w.call(t, http.MethodGet, "api/v1/audit?q=approval", nil, http.StatusOK); !strings.Contains(log, want) {
			t.Errorf("the audit log does not hold %s: %s", want, log)
		}
	}

	// The audit log is found by words and by time.
	b.do(t, "size", chromedp.EmulateViewport(1280, 800))
	b.do(t, "the record", navigate(w.url+"?view=record"))
	b.wait(t, "the log", `document.querySelectorAll("[data-audit]").length > 5`)
	b.do(t, "words", chromedp.SendKeys(`[aria-label="Find: words that an entry holds"]`, "abuse 203.0.112"))
	b.wait(t, "one entry", `document.querySelectorAll("[data-audit]").length === 1 && document.querySelector("[data-audit='approval.approve']")`)
	b.shoot(t, "audit-search-dark")
	b.eval(t, `(() => { const i = document.querySelector("[aria-label=To]"); i.value = "2020-01-01T00:00"; i.dispatchEvent(new Event("input", { bubbles: true })); })()`)
	b.wait(t, "none so long ago", `document.querySelector(".audit")?.textContent.includes("No entry holds all of this")`)
	b.do(t, "clear", chromedp.Click(`.audit-filter .ghost`))
	b.wait(t, "all again", fmt.Sprintf(`document.querySelectorAll("[data-audit]").length > %d`, 5))
	b.noErrors(t)
}
