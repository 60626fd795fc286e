package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/weir-ips/weir/deploy"
)

// captures were recorded on the proxy of the live lab, without a sensor.
//
//go:embed captures/*.pcap
var captures embed.FS

// offline tells the same story from captures, where there is no root or no BPF for the live one.
func offline(ctx context.Context, n *narrator, bin string, why error) error {
	n.title("Weir, from captures")
	n.note("the live demo cannot run here: %v", why)
	n.note("so the same attacks are replayed from captures, through the same rules and the same pipeline; nothing is dropped for real")
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string][]byte{"weir.rules": deploy.Rules, "sensor.yaml": offlineConfig(dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	for _, c := range []struct{ title, file string }{
		{"1. Signature attacks among a client's requests", "attacks.pcap"},
		{"2. A spoofed SYN flood, half a second of it", "syn-flood.pcap"},
	} {
		if err := replayCapture(ctx, n, bin, dir, c.title, c.file); err != nil {
			return err
		}
	}
	return nil
}

func offlineConfig(dir string) []byte {
	return fmt.Appendf(nil, `mode: host
interfaces: [lo]
policy: enforce
rules: [%s/weir.rules]
variables: {HOME_NET: "[10.77.0.0/16]"}
block: [{classtypes: [web-application-attack]}]
`, dir)
}

func replayCapture(ctx context.Context, n *narrator, bin, dir, title, file string) error {
	n.title("%s", title)
	data, err := captures.ReadFile("captures/" + file)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "sensor"), "replay", "--ips", "--json", "--ignore-checksums",
		"--config", filepath.Join(dir, "sensor.yaml"), "--out", dir, path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("sensor replay: %w", err)
	}
	var sum struct {
		Packets, Bytes, Flows uint64
		Inspect               float64 `json:"inspect_seconds"`
	}
	if err := json.Unmarshal(out, &sum); err != nil {
		return fmt.Errorf("sensor replay: %w", err)
	}
	n.note("%s packets, %s flows, inspected in %.1f ms", count(sum.Packets), count(sum.Flows), sum.Inspect*1000)
	return tell(n, filepath.Join(dir, "eve.json"))
}

// tell prints the alerts of an EVE file.
func tell(n *narrator, path string) error {
	eve, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	alerts := 0
	lines := bufio.NewScanner(bytes.NewReader(eve))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Type  string `json:"event_type"`
			Src   string `json:"src_ip"`
			Dst   string `json:"dest_ip"`
			Alert struct {
				SID       int    `json:"signature_id"`
				Signature string `json:"signature"`
				Action    string `json:"action"`
				Context   struct {
					Weir struct {
						Detection struct{ Phase, Explanation string }
					}
				}
			} `json:"alert"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if e.Type != "alert" {
			continue
		}
		found := e.Alert.Context.Weir.Detection // of alerts that no rule raised
		if found.Phase == "end" {
			n.note("%s", found.Explanation)
			continue
		}
		alerts++
		from := e.Src
		if from == "" || from == "0.0.0.0" {
			from = "many sources"
		}
		n.attack("%s → %s: %d %s (%s)", from, e.Dst, e.Alert.SID, e.Alert.Signature, e.Alert.Action)
		if found.Explanation != "" {
			n.note("why: %s", found.Explanation)
		}
	}
	if alerts == 0 {
		return errors.New("no alert: the rules did not see the attack")
	}
	n.good("%d alerts", alerts)
	return lines.Err()
}
