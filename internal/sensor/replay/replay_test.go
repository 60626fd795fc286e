package replay

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-ips/weir/internal/sensor/suricatayaml"
	"github.com/weir-ips/weir/pkg/decode/packettest"
)

// pcap writes a capture file of Ethernet frames, one a millisecond, and returns its path.
func pcap(t *testing.T, name string, frames ...[]byte) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for i, f := range frames {
		for _, v := range []int{1500000000, i * 1000, len(f), len(f)} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(b, f...)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// queries are DNS questions from clients of their own, with their answers.
func queries(n int) [][]byte {
	const question = "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
	var frames [][]byte
	for i := range n {
		client := "10.0.0." + string(rune('1'+i%9))
		port := uint16(2000 + i)
		frames = append(frames,
			packettest.IP4(client, "192.0.2.53").UDP(port, 53).Payload("\x00\x07"+question).Ethernet(),
			packettest.IP4("192.0.2.53", client).UDP(53, port).Payload("\x00\x07\x81\x80"+question[2:]).Ethernet())
	}
	return frames
}

func settings(t testing.TB) *suricatayaml.Settings {
	t.Helper()
	s, _, err := suricatayaml.Load("", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// records counts the records of DIR/eve.json by type and capture.
func records(t *testing.T, dir string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Type    string `json:"event_type"`
			Capture string `json:"pcap_filename"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		n[r.Type+" "+filepath.Base(r.Capture)]++
	}
	return n
}

func TestRun(t *testing.T) {
	for _, workers := range []int{1, 3} {
		dir := t.TempDir()
		a, b := pcap(t, "a.pcap", queries(40)...), pcap(t, "b.pcap", queries(40)...)
		s, err := Run(context.Background(), Options{Captures: []string{a, b}, Out: dir, Settings: settings(t), Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if s.Packets != 160 || s.Flows != 80 || s.Workers != workers || s.Bytes == 0 || s.PeakRSSBytes == 0 {
			t.Errorf("%d workers: %+v, want 160 packets in 80 flows: the captures share nothing", workers, s)
		}
		got := records(t, dir)
		for _, name := range []string{"a.pcap", "b.pcap"} {
			if got["flow "+name] != 40 || got["dns "+name] != 80 || got["stats "+name] != 1 {
				t.Errorf("%d workers: records of %s: %v", workers, name, got)
			}
		}
	}
}

func TestRunRefuses(t *testing.T) {
	good := pcap(t, "good.pcap", queries(1)...)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text.pcap")
	damaged := filepath.Join(t.TempDir(), "damaged.pcap")
	for name, data := range map[string][]byte{text: []byte("this is no capture"), damaged: append(whole, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff and more"...)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name     string
		captures []string
		err      string // contained in the error
		warnings int
		packets  uint64
	}{
		{"missing", []string{"/nonexistent/a.pcap"}, "/nonexistent/a.pcap", 0, 0},
		{"missing beside a good one", []string{"/nonexistent/a.pcap", good}, "/nonexistent/a.pcap", 0, 2},
		{"no capture", []string{text}, text, 0, 0},
		{"no capture beside a good one", []string{text, good}, "", 1, 2},
		{"damaged end", []string{damaged}, "", 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			warnings := 0
			s, err := Run(context.Background(), Options{Captures: c.captures, Out: t.TempDir(), Settings: settings(t), Workers: 1,
				Warn: func(error) { warnings++ }})
			if (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if warnings != c.warnings || s.Packets != c.packets {
				t.Errorf("%d warnings and %d packets, want %d and %d", warnings, s.Packets, c.warnings, c.packets)
			}
		})
	}
}

// TestPipe reads a capture that can be read once with several workers.
func TestPipe(t *testing.T) {
	whole, err := os.ReadFile(pcap(t, "a.pcap", queries(40)...))
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe.pcap")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, whole, 0) }() // an error shows as missing packets
	s, err := Run(t.Context(), Options{Captures: []string{pipe}, Out: t.TempDir(), Settings: settings(t), Workers: 3})
	if err != nil || s.Packets != 80 || s.Flows != 40 {
		t.Errorf("%+v, error %v; want 80 packets in 40 flows", s, err)
	}
}

func TestShare(t *testing.T) {
	s := newShare(settings(t).Decoder, 1<<30) // so many that equal workers mean equal sums
	up := packettest.IP4("10.0.0.1", "192.0.2.1").TCP(1000, 80, "S")
	down := packettest.IP4("192.0.2.1", "10.0.0.1").TCP(80, 1000, "SA")
	f, g := up.Frame(0), down.Frame(0)
	if s.of(&f) != s.of(&g) {
		t.Error("the directions of a conversation go to different workers")
	}
	wrapped := packettest.Frame(packettest.GENEVE("10.9.0.1", "10.9.0.2", packettest.AWS(1, 2, 3), up.Raw()), 0)
	if s.of(&wrapped) != s.of(&f) {
		t.Error("a tunnel's addresses decide, not those of the conversation in it")
	}
	tagged := f
	tagged.Data = slices.Concat(f.Data[:12], []byte{0x81, 0, 0, 7}, f.Data[12:])
	if _, ok := s.plain(&tagged); ok || s.of(&tagged) != s.of(&f) {
		t.Error("the shortcut and the decoder disagree")
	}
	few := newShare(settings(t).Decoder, 4)
	seen := map[int]bool{}
	for i := range 64 {
		h := packettest.IP4("10.0.0.1", "192.0.2."+strconv.Itoa(i)).UDP(1000, 80).Frame(0)
		seen[few.of(&h)] = true
	}
	if len(seen) != 4 {
		t.Errorf("64 conversations go to %d of four workers", len(seen))
	}
}

// TestPace lets one worker run ahead: it waits until the other has come near, or has left.
func TestPace(t *testing.T) {
	for _, follow := range []func(p *pace){func(p *pace) { p.reach(1, batch) }, func(p *pace) { p.leave(1) }} {
		p := newPace(2)
		p.reach(0, maxAhead)
		passed := make(chan struct{})
		go func() {
			p.reach(0, maxAhead+batch)
			close(passed)
		}()
		for {
			p.mu.Lock()
			arrived := p.at[0] == maxAhead+batch
			p.mu.Unlock()
			if arrived {
				break
			}
			runtime.Gosched()
		}
		select {
		case <-passed:
			t.Error("a worker ran too far ahead")
		default:
		}
		follow(p)
		<-passed
	}
}
