package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weir-ips/weir/deploy"
	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// theatre is the product in a network of namespaces: an attacker and a client, a server behind a load balancer and its sensor, a
// proxy with a sensor of its own, and the collector that the browser looks at.
type theatre struct {
	*fleet.Fleet
	t             *testing.T
	server, proxy *lab.HTTPServer
}

// scanner is told of, and not stopped; what Weir's own rules know as attacks on web applications is.
const scanner = `alert http any any -> any any (msg:"LAB sqlmap looks for holes"; flow:established,to_server; http.user_agent; content:"sqlmap"; nocase; ` +
	`classtype:attempted-recon; priority:2; metadata:mitre_tactic_id TA0043, mitre_technique_id T1595, mitre_technique_name Active_Scanning; sid:1900001; rev:3;)` + "\n"

func openTheatre(t *testing.T) *theatre {
	t.Helper()
	if err := lab.Require(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "../cmd/sensor", "../cmd/collector")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()                                // the collector takes it over
	rules := filepath.Join(dir, "own.rules") // the others come from the collector
	if err := os.WriteFile(rules, []byte(`alert tcp any any -> any 1 (msg:"LAB port 1"; sid:1900000;)`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Start(fleet.Options{Name: "console", Bin: dir, Dir: dir, Rules: rules, Console: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	x := &theatre{Fleet: f, t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(f.Logs())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.Collector.Call(http.MethodPut, "/api/v1/rules", map[string]string{"rules": scanner + string(deploy.Rules)}, nil); err != nil {
		t.Fatal(err)
	}
	x.server, x.proxy = x.serve(f.Server), x.serve(f.Proxy)
	return x
}

// serve opens a shop at a host, and has a customer visit it all along.
func (x *theatre) serve(h *lab.Host) *lab.HTTPServer {
	x.t.Helper()
	s, err := lab.StartHTTPServer(h.Namespace, netip.AddrPortFrom(h.Addr, 80))
	if err != nil {
		x.t.Fatal(err)
	}
	c := lab.StartHTTPClient(lab.HTTPClientConfig{NS: x.Client.Namespace, URL: "http://" + s.Addr.String() + "/"})
	x.t.Cleanup(func() {
		if st := c.Stop(); st.Failed > 0 || st.OK < 10 {
			x.t.Errorf("the customer of %s lost %d of %d requests: %v", s.Addr, st.Failed, st.Sent, st.LastError)
		}
		s.Close()
	})
	return s
}

// attack sends a request of lab.HTTPAttacks from the attacker, and reports whether it was answered.
func (x *theatre) attack(name string, to *lab.HTTPServer) bool {
	x.t.Helper()
	for _, a := range lab.HTTPAttacks() {
		if a.Name == name {
			return a.Send(context.Background(), x.Attacker.Namespace, to.Addr, time.Second) == nil
		}
	}
	x.t.Fatalf("no attack %s", name)
	return false
}

// The whole story with nothing made up: see an attack, look into it, preview, block, watch the drops, stop all dropping, undo; then a
// flood, an intrusion that is stopped by itself, the fleet, and rules that one sensor tries first.
func testLab(t *testing.T, b *browser) {
	x := openTheatre(t)
	b.scheme(t, "dark")
	b.do(t, "open", navigate(x.Collector.URL+"/?view=alerts"))
	b.wait(t, "live, with both sensors", `document.querySelector(".state.live") && document.querySelectorAll("[data-sensor]").length === 2`)
	b.wait(t, "they are well", `[...document.querySelectorAll("[data-sensor] .health")].every((h) => h.textContent === "ok")`)

	waitFor(t, "both run the collector's rules", func() bool {
		list, err := x.Collector.Sensors()
		return err == nil && !slices.ContainsFunc(list, func(s api.Sensor) bool { return s.Bundle == "" })
	})
	if !x.attack("scanner", x.server) {
		t.Error("what is only told of was stopped")
	}
	b.wait(t, "the attack shows", rows("sqlmap looks for holes")+`.some((r) => r.textContent.includes("203.0.113.66"))`)
	labAlert(t, b)
	labBlock(t, b, x)
	labFlood(t, b, x)
	labFleet(t, b, x)
	b.noErrors(t)
}

// wayTimes holds the rows of an alert's way that are named against the clock: each has a time, none is before the one before it.
const wayTimes = `((names) => {
	const units = { ms: 1, s: 1000, min: 60000 };
	const rows = [...document.querySelectorAll(".way li")].filter((r) => names.includes(r.querySelector("b").textContent));
	const times = rows.map((r) => { const m = /^\+?([\d.]+) (ms|s|min)/.exec(r.querySelector("span").textContent); return m ? m[1] * units[m[2]] : NaN; });
	return rows.length === names.length && times.every((at, i) => i === 0 || at >= times[i - 1]) && !rows.some((r) => r.textContent.includes("clocks differ"));
})`

// labAlert looks into the alert: what matched, what was parsed, which way the packet took.
func labAlert(t *testing.T, b *browser) {
	b.key(t, "j"+kb.Enter)
	b.wait(t, "what the rule matched, marked in the payload and in the rule", `document.querySelector("[data-testid=payload] mark")?.textContent === "sqlmap" && [...document.querySelectorAll(".detail pre mark")].some((m) => m.textContent === '"sqlmap"')`)
	b.wait(t, "decoded", `[...document.querySelectorAll(".detail .part")].some((p) => p.querySelector("h3")?.textContent === "Decoded: http" && p.textContent.includes("sqlmap/1.7.2"))`)
	b.wait(t, "the technique", `document.querySelector(".facts").textContent.includes("T1595 Active Scanning") && document.querySelector(".facts").textContent.includes("TA0043 Reconnaissance")`)
	b.wait(t, "the packet's way", `(s => s.includes("edge-gwlb") && s.includes("of the conversation") && s.includes("http · transaction 1") && s.includes("1:1900001:3") && s.includes("let through, and reported"))(document.querySelector(".way").textContent)`)
	b.wait(t, "when it was where, in order: all of the lab have one clock", wayTimes+`(["Captured", "Inspected", "Sent", "On the bus", "Received", "Stored"])`)
	b.wait(t, "the packet", `document.querySelector(".payload-head a[download]")`)
	b.shoot(t, "lab-alert-dark")
	size := b.await(t, `fetch(document.querySelector(".payload-head a[download]").href).then((r) => r.arrayBuffer()).then((a) => new DataView(a).getUint32(0, true).toString(16) + " " + (a.byteLength > 100))`)
	if size != "a1b23c4d true" {
		t.Errorf("the capture that is downloaded begins otherwise: %s", size)
	}
}

// labBlock previews, blocks, watches what that drops, stops all dropping and resumes, and undoes the block.
func labBlock(t *testing.T, b *browser, x *theatre) {
	b.key(t, "b")
	b.wait(t, "both sensors say what a block would hit", `(s => /Of its traffic in the last .* sensors remember \d+ flows? and \d+ packets/.test(s) && s.includes("2sensors would act") && !s.includes("sensors answered"))(document.querySelector("[data-testid=preview]")?.textContent ?? "")`)
	b.shoot(t, "lab-preview-dark")
	b.do(t, "block", chromedp.Click("dialog[open] footer .danger"))
	b.wait(t, "carried out by both", `document.querySelector("[data-verdict]")?.textContent.includes("on 2 of 2 sensors")`)
	blocked := func(want bool) func() bool { return func() bool { return x.attack("scanner", x.server) != want } }
	waitFor(t, "the attacker is blocked", blocked(true))
	b.wait(t, "the alert says what was decided of it, and where that is carried out", `(s => s.includes("Drop 203.0.113.66 by local, entry #") && s.includes("on 2 of 2 sensors"))(document.querySelector(".way").textContent)`)
	b.wait(t, "and when the first and the last sensor had it", wayTimes+`(["Stored", "Decided", "First sensor", "Last sensor"])`)
	b.wait(t, "they are in sight", `(document.querySelector(".way li:last-child").scrollIntoView(), true)`)
	b.shoot(t, "lab-way-dark")
	b.key(t, kb.Escape+"4")
	b.wait(t, "the drops are seen", `document.querySelector(".verdict-page tbody .hits.some")`)

	b.key(t, "K")
	b.wait(t, "kill switch", `document.querySelector("dialog[open] #f-kill-reason") === document.activeElement`)
	b.do(t, "stop all dropping", chromedp.KeyEvent("is it us?"), chromedp.Click("dialog[open] footer .danger"))
	waitFor(t, "nothing is dropped", blocked(false))
	b.do(t, "resume", chromedp.Click(`.banner.bad button`))
	waitFor(t, "dropped again", blocked(true))
	b.do(t, "look closer", chromedp.Click(".verdict-page tbody .match"))
	b.wait(t, "the drops over time", `document.querySelector(".verdict-page tbody .spark") && document.querySelector(".verdict-more .effect canvas")`)
	b.shoot(t, "lab-verdict-dark")
	b.do(t, "undo", chromedp.Click(`.verdict-page [aria-label^="Remove the verdict on 203.0.113.66"]`))
	waitFor(t, "the attacker is let through", blocked(false))
	b.wait(t, "none in force, and what it stopped is not forgotten", `document.querySelector(".verdict-page .empty") && document.querySelector(".verdict-page tbody .hits.some")`)
}

// labFlood looks at a flood while it is held, and at an intrusion that the policy stops.
func labFlood(t *testing.T, b *browser, x *theatre) {
	ctx, cancel := context.WithCancel(t.Context())
	flooded := make(chan error, 1)
	go func() {
		_, err := lab.Flood{Kind: lab.BareSYNFlood, From: x.Attacker, Src: netip.MustParsePrefix("192.0.0.0/5"), Dst: netip.AddrPortFrom(x.proxy.Addr.Addr(), 80), Rate: 15_000, Seed: 1}.Run(ctx, 0)
		flooded <- err
	}()
	b.key(t, "2")
	b.wait(t, "the flood is an incident", `[...document.querySelectorAll("[data-incident]")].some((r) => r.textContent.includes("Flood") && r.textContent.includes("10.77.2.10"))`)
	b.eval(t, `[...document.querySelectorAll("tr[data-incident]")].find((r) => r.textContent.includes("Flood")).querySelector(".title").click()`)
	b.wait(t, "what the sensors do about it", `document.querySelector(".ladder li.taken")?.textContent.match(/[\d,]+ packets dropped/) && document.querySelector(".incident-main .plain-table")?.textContent.includes("syn-flood")`)
	b.wait(t, "its runbook", `document.querySelector(".runbook h3")?.textContent === "SYN flood"`)
	b.shoot(t, "lab-flood-dark")
	b.key(t, "1")
	b.wait(t, "the overview says why packets are dropped", `/SYN flood|looks like the attack/.test(document.querySelectorAll(".overview-plot")[1]?.textContent ?? "")`)
	x.attack("log4shell", x.server)
	b.wait(t, "and that an intruder waits", `[...document.querySelectorAll(".overview-incidents [data-incident]")].some((r) => r.textContent.includes("203.0.113.66"))`)
	time.Sleep(5500 * time.Millisecond) // two reports, for a line that is seen
	b.shoot(t, "lab-overview-dark")
	b.scheme(t, "light")
	b.shoot(t, "lab-overview-light")
	cancel()
	if err := <-flooded; err != nil {
		t.Error(err)
	}
	b.eval(t, `[...document.querySelectorAll(".overview-incidents tr")].find((r) => r.textContent.includes("203.0.113.66")).querySelector(".title").click()`)
	b.wait(t, "its story: scanned, then tried to get in, and stopped by a rule of the policy", `document.querySelectorAll(".chain [data-stage]").length === 2 && document.querySelector(".incident-main [data-verdict]")?.textContent.includes("by a rule")`)
	b.wait(t, "what verdicts stopped", `/\d packets? (was|were) stopped/.test(document.querySelector(".incident-head .lead").textContent)`)
	b.shoot(t, "lab-incident-light")
}

// labFleet looks at the sensors and gives them rules, one first.
func labFleet(t *testing.T, b *browser, x *theatre) {
	b.key(t, "5")
	b.wait(t, "the fleet", `(s => s.includes("gwlb") && s.includes("host") && s.includes("enforce"))(document.querySelector(".fleet-table")?.textContent ?? "") && document.querySelectorAll(".fleet-table .spark").length >= 2`)
	b.do(t, "look closer", chromedp.Click(".fleet-table tbody tr .plain-link"))
	b.wait(t, "what a sensor says", `/running for/.test(document.querySelector(".verdict-more")?.textContent) && document.querySelector(".verdict-more").textContent.includes("Kernel’s tables")`)
	b.shoot(t, "lab-fleet-light")

	b.key(t, "6")
	b.do(t, "rules", chromedp.Click(`//button[text()="Change…"]`), chromedp.SendKeys(".editor textarea", strings.Replace(scanner, "1900001", "1900002", 1)), chromedp.Click(".editor footer .button:last-child"))
	b.wait(t, "the difference", `document.querySelector(".diff ins")?.textContent.includes("1900002")`)
	b.eval(t, fmt.Sprintf(`(() => { const s = document.querySelector(".editor footer select"); s.value = %q; s.dispatchEvent(new Event("change", { bubbles: true })); const m = document.querySelector(".editor footer input"); m.value = "0.05"; m.dispatchEvent(new Event("input", { bubbles: true })); })()`, x.Host.ID))
	b.do(t, "try it on one", chromedp.Click(`//button[text()="Try on one sensor"]`))
	b.wait(t, "it is watched, and passes", `document.querySelector("[data-rollout=passed]")?.textContent.includes("proxy-host")`)
	b.shoot(t, "lab-canary-light")
	b.do(t, "promote", chromedp.Click(`//button[text()="Promote to all"]`))
	b.wait(t, "everywhere", `document.querySelector("[data-rollout=promoted]") && [...document.querySelectorAll("[data-rule]")].some((r) => r.dataset.rule === "1900002") && document.querySelector(".verdict-page .overview-head").textContent.includes("loaded on 2 of 2 sensors")`)
	b.do(t, "roll back", chromedp.Click(`//button[text()="Roll back"]`))
	b.wait(t, "rolled back", `document.querySelector("[data-rollout=rolled-back]")`)
}
