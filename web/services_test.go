package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// Lists from elsewhere and destinations of events are added, tested, held, released, paused and removed in the settings.
func testFeedsAndExports(t *testing.T, b *browser) {
	w := startWorld(t)
	var entries, status atomic.Int32
	var posted atomic.Value
	entries.Store(100)
	status.Store(http.StatusOK)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body := make([]byte, 4096)
			n, _ := r.Body.Read(body)
			posted.Store(r.Header.Get("Weir-Signature") + string(body[:n]))
			rw.WriteHeader(int(status.Load()))
			return
		}
		for i := range entries.Load() {
			fmt.Fprintf(rw, "45.0.%d.%d\n", i>>8, i&255)
		}
	}))
	t.Cleanup(elsewhere.Close)
	listed := netip.MustParseAddr("45.0.0.7")
	passes := func() bool { return w.sensors[0].traffic(listed, 1) }

	b.scheme(t, "light")
	b.do(t, "open", navigate(w.url+"?view=settings&part=feeds"))
	b.wait(t, "feeds teach", `document.querySelector(".settings-page .empty")`)
	b.do(t, "add", chromedp.Click(`//button[text()="Add a list"]`), chromedp.SendKeys("#f-feed-name", "blocklist"), chromedp.SendKeys("#f-feed-url", elsewhere.URL), chromedp.Click(`//dialog//label[text()="Drop"]`))
	b.shoot(t, "feed-add-light")
	b.do(t, "do it", chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "in force", `(s => s.includes("ok") && s.includes("100 entries") && s.includes("added by ana"))(document.querySelector("[data-feed=blocklist]")?.textContent ?? "")`)
	waitFor(t, "what is listed is dropped", func() bool { return !passes() })

	b.do(t, "pause", chromedp.Click(`//li[@data-feed="blocklist"]//button[text()="Pause"]`), chromedp.SendKeys("#f-pause-reason", "it lists our CDN"), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "paused, and by whom", `(s => s.includes("0 entries") && /Paused by ana at .*it lists our CDN/.test(s))(document.querySelector("[data-feed=blocklist]").textContent)`)
	waitFor(t, "what was listed is let through", passes)
	entries.Store(900)
	b.do(t, "resume", chromedp.Click(`//li[@data-feed="blocklist"]//button[text()="Resume"]`))
	b.wait(t, "held: it has changed too much", `(s => s.startsWith("held") && s.includes("0 entries") && s.includes("900"))(document.querySelector("[data-feed=blocklist]").textContent)`)
	b.shoot(t, "feed-held-light")
	if !passes() {
		t.Error("a list that is held is in force")
	}
	b.do(t, "release", chromedp.Click(`//li[@data-feed="blocklist"]//button[text()="Accept"]`))
	b.wait(t, "released", `(s => s.startsWith("ok") && s.includes("900 entries"))(document.querySelector("[data-feed=blocklist]").textContent)`)
	waitFor(t, "what is listed is dropped again", func() bool { return !passes() })
	b.do(t, "one's own list", chromedp.Click(`//button[text()="Add a list"]`), chromedp.SendKeys("#f-feed-name", "ours"), chromedp.Click(`//dialog//label[text()="Written here"]`), chromedp.SendKeys("#f-feed-list", "46.1.2.0/28 # scanners\n10.0.0.0/8\n"), chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "its hostile entry counts, the private one does not", `(s => s.includes("1 entry, 1 left out") && s.includes("written here"))(document.querySelector("[data-feed=ours]")?.textContent ?? "")`)
	remove := `//li[@data-feed="blocklist"]//button[contains(text(),"Remove")]`
	b.do(t, "remove", chromedp.Click(remove), chromedp.Click(remove))
	b.wait(t, "gone", `!document.querySelector("[data-feed=blocklist]")`)
	waitFor(t, "nothing of it is left", passes)

	b.scheme(t, "dark")
	b.do(t, "exports", chromedp.Click(`//nav[contains(@class,"settings-nav")]/button[text()="Exports"]`), chromedp.Click(`//button[text()="Add a destination"]`))
	b.do(t, "a webhook", chromedp.SendKeys("#f-export-name", "hook"), chromedp.SendKeys("#f-export-url", elsewhere.URL+"/secret-path"), chromedp.SendKeys("#f-export-secret", "s3cret"))
	b.shoot(t, "export-add-dark")
	b.do(t, "add", chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "it is there, without what may be secret", `(s => s.includes("webhook") && s.includes("incidents") && !s.includes("secret-path"))(document.querySelector("[data-export=hook]")?.textContent ?? "")`)
	test := `//tr[@data-export="hook"]//button[text()="Test"]`
	b.do(t, "test", chromedp.Click(test))
	b.wait(t, "taken", `/hook took a test event within \d+ ms/.test(document.querySelector(".toasts").textContent)`)
	if got, _ := posted.Load().(string); !strings.Contains(got, "nothing has happened") {
		t.Errorf("the destination got %q", got)
	}
	status.Store(http.StatusForbidden)
	b.do(t, "test again", chromedp.Click(test))
	b.wait(t, "not taken, and why", `/did not take it.*403/.test(document.querySelector(".toast.bad")?.textContent)`)
	b.shoot(t, "exports-dark")
	if kept := w.call(t, http.MethodGet, "api/v1/settings", nil, http.StatusOK) + w.call(t, http.MethodGet, "api/v1/audit", nil, http.StatusOK); strings.Contains(kept, "s3cret") || strings.Contains(kept, "secret-path") {
		t.Error("a secret is shown")
	}
	remove = `//tr[@data-export="hook"]//button[contains(text(),"Remove")]`
	b.do(t, "remove", chromedp.Click(remove), chromedp.Click(remove))
	b.wait(t, "gone", `document.querySelector(".settings-page .empty")?.textContent.includes("Security Lake")`)
	b.mu.Lock()
	b.errs = nil // the test that was refused is one to Chromium
	b.mu.Unlock()
}
