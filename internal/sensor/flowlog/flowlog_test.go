package flowlog

import (
	"bufio"
	"compress/gzip"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

const second = int64(time.Second)

func addr(s string) decode.Addr { return decode.AddrFrom(netip.MustParseAddr(s)) }

// web is a TCP conversation of 5 and 4 packets over Ethernet.
func web() *flow.Flow {
	return &flow.Flow{
		Src: addr("10.0.1.5"), Dst: addr("198.51.100.7"), SrcPort: 40000, DstPort: 443, Proto: 6, IPVersion: 4, Link: decode.LinkEthernet,
		Start: 1_700_000_000 * second, Last: 1_700_000_009*second + 1, Packets: [2]uint64{5, 4}, Bytes: [2]uint64{570, 4056},
		TCP: &flow.Session{Flags: [2]uint8{decode.SYN | decode.ACK | decode.PSH | decode.FIN, decode.SYN | decode.ACK | decode.FIN}},
	}
}

func TestAppend(t *testing.T) {
	id := Identity{Account: "111122223333", Interface: "eni-0a", Local: func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.1.5") }}
	for _, c := range []struct {
		name  string
		spoil func(*flow.Flow)
		want  string
	}{
		{"both directions", func(*flow.Flow) {}, "" +
			"5 111122223333 eni-0a 10.0.1.5 198.51.100.7 40000 443 6 5 500 1700000000 1700000009 ACCEPT OK 3 IPv4 10.0.1.5 198.51.100.7 egress - unknown -\n" +
			"5 111122223333 eni-0a 198.51.100.7 10.0.1.5 443 40000 6 4 4000 1700000000 1700000009 ACCEPT OK 19 IPv4 198.51.100.7 10.0.1.5 ingress - unknown -\n"},
		{"unanswered and dropped, behind an endpoint", func(f *flow.Flow) {
			f.Packets[1], f.Bytes[1], f.Verdict, f.Tenant, f.TCP = 0, 0, flow.FlowDrop, 0x0123456789abcdef, nil
		}, "5 111122223333 eni-0a 10.0.1.5 198.51.100.7 40000 443 6 5 500 1700000000 1700000009 REJECT OK 0 IPv4 10.0.1.5 198.51.100.7 egress vpce-00123456789abcdef unknown -\n"},
		{"IPv6, between strangers, mirrored", func(f *flow.Flow) {
			f.Src, f.Dst, f.IPVersion, f.Packets[1], f.Tenant = addr("2001:db8::1"), addr("2001:db8::2"), 6, 0, 1000
		}, "5 111122223333 eni-0a 2001:db8::1 2001:db8::2 40000 443 6 5 500 1700000000 1700000009 ACCEPT OK 3 IPv6 2001:db8::1 2001:db8::2 - 1000 unknown -\n"},
		{"fewer bytes than headers", func(f *flow.Flow) { f.Bytes[0], f.Packets[1] = 3, 0 },
			"5 111122223333 eni-0a 10.0.1.5 198.51.100.7 40000 443 6 5 0 1700000000 1700000009 ACCEPT OK 3 IPv4 10.0.1.5 198.51.100.7 egress - unknown -\n"},
	} {
		f := web()
		c.spoil(f)
		if got := string(id.Append(nil, f)); got != c.want {
			t.Errorf("%s:\n got %s want %s", c.name, got, c.want)
		}
		fields := len(strings.Fields(Header))
		for line := range strings.Lines(string(id.Append(nil, f))) {
			if n := len(strings.Fields(line)); n != fields {
				t.Errorf("%s: %d fields, the header has %d", c.name, n, fields)
			}
		}
	}
}

func TestUnlogged(t *testing.T) {
	for _, c := range []struct {
		dst          string
		proto        uint8
		sport, dport uint16
		want         string
	}{
		{"169.254.169.253", udp, 40000, 53, "dns"},
		{"fd00:ec2::253", tcp, 40000, 53, "dns"},
		{"10.1.0.2", udp, 40000, 53, "dns"},
		{"10.1.7.242", udp, 40000, 53, "dns"},
		{"10.1.0.3", udp, 40000, 53, ""},
		{"8.8.8.2", udp, 40000, 53, ""},
		{"10.1.0.2", udp, 40000, 5353, ""},
		{"169.254.169.254", tcp, 40000, 80, "imds"},
		{"fd00:ec2::254", tcp, 40000, 80, "imds"},
		{"169.254.169.123", udp, 123, 123, "time-sync"},
		{"10.1.0.1", udp, 68, 67, "dhcp"},
		{"ff02::1:2", udp, 546, 547, "dhcp"},
		{"10.1.0.1", tcp, 68, 67, ""},
	} {
		f := &flow.Flow{Dst: addr(c.dst), Proto: c.proto, SrcPort: c.sport, DstPort: c.dport}
		if got := unlogged(f); got != c.want {
			t.Errorf("%s proto %d port %d: %q, want %q", c.dst, c.proto, c.dport, got, c.want)
		}
	}
}

// TestWriter rolls by time, and shows a file under its name only when it is whole.
func TestWriter(t *testing.T) {
	dir := t.TempDir()
	w, err := New(Options{Dir: dir, Identity: Identity{Account: "111122223333"}, Region: "eu-west-1", Sensor: "edge-1", Every: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f := web()
	w.Ended(f)
	if whole := find(t, dir); len(whole) != 0 {
		t.Errorf("visible before it is whole: %v", whole)
	}
	f.Last += 61 * second
	w.Ended(f)
	if err := w.Tick(f.Last + 59*second); err != nil || len(find(t, dir)) != 1 {
		t.Errorf("the second file ended early: %v, %v", find(t, dir), err)
	}
	if err := w.Tick(f.Last + 60*second); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := find(t, dir)
	if len(whole) != 2 {
		t.Fatalf("%d files, want 2", len(whole))
	}
	const place = "/AWSLogs/111122223333/vpcflowlogs/eu-west-1/2023/11/14/111122223333_vpcflowlogs_eu-west-1_edge-1_20231114T2213Z_"
	if !strings.HasPrefix(whole[0], dir+place) {
		t.Errorf("%s is not where Athena looks: %s", whole[0], place)
	}
	if got := lines(t, whole[0]); len(got) != 3 || got[0]+"\n" != Header {
		t.Errorf("%q: want the header and two records", got)
	}
	if s := w.Stats(); s != (Stats{Records: 4, Files: 2}) {
		t.Errorf("%+v", s)
	}
}

// TestDiskGone counts what could not be written and goes on when it can be again.
func TestDiskGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "flows")
	w, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder should be, even for root
		t.Fatal(err)
	}
	w.Ended(web())
	if s := w.Stats(); s.Lost != 2 || s.Records != 0 {
		t.Errorf("%+v, want 2 lost", s)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	w.Ended(web())
	if err := w.Close(); err != nil || w.Stats().Records != 2 {
		t.Errorf("%+v, %v", w.Stats(), err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Dir: t.TempDir(), Sensor: "../x"}, {Dir: t.TempDir(), Region: "a/b"}, {Dir: t.TempDir(), Identity: Identity{Account: "a/b"}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	id := Identity{Account: "111122223333"}
	b, f := make([]byte, 0, 1024), web()
	if n := testing.AllocsPerRun(100, func() { b = id.Append(b[:0], f) }); n != 0 {
		t.Errorf("%v allocations a conversation", n)
	}
}

// TestAthenaKnowsEveryField compares the table that is shipped with what is written.
func TestAthenaKnowsEveryField(t *testing.T) {
	sql, err := os.ReadFile("../../../deploy/athena/flow_records.sql")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, field := range strings.Fields(Header) {
		column := "\n  `" + strings.ReplaceAll(field, "-", "_") + "` "
		at := strings.Index(string(sql), column)
		if at < last {
			t.Errorf("column %s is missing, or not in its place", strings.TrimSpace(column))
		}
		last = at
	}
}

func find(t *testing.T, dir string) (whole []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".gz") {
			whole = append(whole, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func lines(t *testing.T, path string) (out []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(z); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}
