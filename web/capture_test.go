package web_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/weir-ips/weir/pkg/wire"
)

// outputs has the sensor record packets and payloads with its alerts.
const outputs = `%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - alert:
            payload: yes
            packet: yes
            metadata: yes
`

const eveTime = "2006-01-02T15:04:05.999999999-0700"

// replay runs captures through the sensor's own path and rules, and raises its alerts as if their packets had come just now.
func (w *world) replay(t *testing.T, captures ...string) {
	t.Helper()
	dir := t.TempDir()
	settings := filepath.Join(dir, "outputs.yaml")
	if err := os.WriteFile(settings, []byte(outputs), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "../cmd/sensor", "replay", "--ips", "--detect", "--ignore-checksums", "--suricata-yaml", settings, "--rules", "../deploy/rules/weir.rules", "--out", dir}
	if said, err := exec.Command("go", append(args, captures...)...).CombinedOutput(); err != nil {
		t.Fatalf("replay: %v\n%s", err, said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	var records []map[string]any
	var last time.Time
	for line := range bytes.Lines(text) {
		var r map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if at, err := time.Parse(eveTime, r["timestamp"].(string)); r["event_type"] == "alert" && err == nil {
			records, last = append(records, r), at
		}
	}
	shift := time.Since(last).Truncate(time.Second) - time.Second
	for _, r := range records {
		w.sensors[0].raiseRecord(t, moved(r, shift).(map[string]any))
	}
}

// moved has every time in a record later by as much.
func moved(v any, by time.Duration) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = moved(x[k], by)
		}
	case []any:
		for i := range x {
			x[i] = moved(x[i], by)
		}
	case string:
		if at, err := time.Parse(eveTime, x); err == nil {
			return at.Add(by).Format("2006-01-02T15:04:05.000000-0700")
		}
	}
	return v
}

func (s *sensor) raiseRecord(t *testing.T, r map[string]any) {
	t.Helper()
	eve, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var x struct {
		Timestamp           string
		Src_ip, Dest_ip     netip.Addr
		Src_port, Dest_port uint16
		Alert               struct {
			Signature_id uint32
			Severity     uint8
			Category     string
		}
	}
	if err := json.Unmarshal(eve, &x); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(eveTime, x.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	s.up.Publish(wire.Event{
		Time: at, SID: x.Alert.Signature_id, Severity: x.Alert.Severity, Proto: 6, Category: x.Alert.Category, Handshake: !x.Src_ip.IsUnspecified(),
		Src: netip.AddrPortFrom(x.Src_ip, x.Src_port), Dst: netip.AddrPortFrom(x.Dest_ip, x.Dest_port), EVE: eve,
	})
}

// Attacks from captures, through the sensor's own rules, records and flood detection: what the console makes of them.
func testCaptures(t *testing.T, b *browser) {
	w := startWorld(t)
	rules, err := os.ReadFile("../deploy/rules/weir.rules")
	if err != nil {
		t.Fatal(err)
	}
	w.putRules(t, string(rules))
	w.replay(t, "../internal/lab/demo/captures/attacks.pcap", "../internal/lab/demo/captures/syn-flood.pcap")
	b.scheme(t, "dark")
	b.do(t, "open", chromedp.Navigate(w.url+"?view=alerts"))
	b.wait(t, "the attacks", rows("Log4Shell")+`.length === 1 && `+rows("SYN flood")+`.length === 2`)
	b.do(t, "open one", chromedp.Click(`//*[@id="alerts"]//*[contains(@class,"sig")][contains(text(),"Log4Shell")]`))
	b.wait(t, "its payload, marked", `document.querySelector("[data-testid=payload] mark")?.textContent.toLowerCase().includes("jndi")`)
	b.wait(t, "its way", `(s => s.includes("packet 4 of the conversation") && s.includes("http · transaction 1") && s.includes("1:1000001:"))(document.querySelector(".way").textContent)`)
	b.wait(t, "its technique", `document.querySelector(".facts").textContent.includes("T1190")`)
	b.wait(t, "decoded", `[...document.querySelectorAll(".detail .part h3")].some((h) => h.textContent === "Decoded: http")`)
	b.shoot(t, "capture-alert-dark")
	if href := b.eval(t, `document.querySelector(".payload-head a[download]").getAttribute("href")`); !strings.HasPrefix(w.call(t, "GET", href[1:], nil, 200), "\x4d\x3c\xb2\xa1") {
		t.Error("the packet that is downloaded is no capture")
	}
	b.key(t, kb.Escape+"2")
	b.wait(t, "two incidents", `document.querySelectorAll(".incident-table [data-incident]").length === 2`)
	b.eval(t, `[...document.querySelectorAll(".incident-table tr[data-incident]")].find((r) => r.textContent.includes("Flood")).querySelector(".title").click()`)
	b.wait(t, "the flood as it was measured", `document.querySelector(".incident-main .plain-table")?.textContent.includes("syn-flood") && document.querySelector(".runbook h3")?.textContent === "SYN flood"`)
	b.shoot(t, "capture-flood-dark")
	b.noErrors(t)
}
