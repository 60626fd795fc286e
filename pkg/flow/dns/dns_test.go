package dns

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// name encodes a dotted name without compression.
func name(s string) string {
	var b strings.Builder
	for _, l := range strings.Split(s, ".") {
		if l != "" {
			b.WriteString(string(byte(len(l))) + l)
		}
	}
	return b.String() + "\x00"
}

func u16(v ...uint16) string {
	var b []byte
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return string(b)
}

// rr encodes a record.
func rr(owner string, typ uint16, data string) string {
	return owner + u16(typ, 1) + "\x00\x00\x01\x2c" + u16(uint16(len(data))) + data
}

func message(flags uint16, counts [4]uint16, body ...string) string {
	return u16(0x1234, flags, counts[0], counts[1], counts[2], counts[3]) + strings.Join(body, "")
}

func question(s string, typ uint16) string { return name(s) + u16(typ, 1) }

func parse(t *testing.T, says ...apptest.Say) []*Tx {
	t.Helper()
	p := New(Config{})
	apptest.Feed(t, p, says...)
	var list []*Tx
	for _, tx := range p.Txs() {
		list = append(list, tx.(*Tx))
	}
	return list
}

func TestRecords(t *testing.T) {
	pointer := "\xc0\x0c" // the question's name
	txs := parse(t, apptest.S(message(0x8180, [4]uint16{1, 9, 1, 1}, question("www.Example.org", 1),
		rr(pointer, typeA, "\xc0\x00\x02\x01"), rr(pointer, typeAAAA, strings.Repeat("\x00", 15)+"\x01"),
		rr(pointer, typeCNAME, "\x01x\xc0\x10"), rr(pointer, typeMX, "\x00\x0a"+name("mx.a")), rr(pointer, typeTXT, "\x01a\x02bc"),
		rr(pointer, typeSRV, u16(1, 2, 3)+name("srv.a")), rr(pointer, typeSSHFP, "\x01\x02\xab\xcd"), rr(pointer, typeA, ""), rr(pointer, 10, "null"),
		rr(pointer, typeSOA, name("m.a")+name("r.a")+"\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05"),
		rr("\x00", 41, ""))))
	m := txs[0].Response
	a := m.Answers
	got := fmt.Sprintf("%s %v %v %s %s %s %d/%d/%d/%s %d-%d-%x %v %s %s/%s/%d/%d %d", m.Queries[0].Name.Bytes, a[0].Addr, a[1].Addr, a[2].Target.Bytes,
		a[3].Target.Bytes, a[4].Text, a[5].SRV.Priority, a[5].SRV.Weight, a[5].SRV.Port, a[5].SRV.Target.Bytes,
		a[6].SSHFP.Algorithm, a[6].SSHFP.Type, a[6].SSHFP.Fingerprint, a[7].Addr.IsValid(), a[8].Data,
		m.Authorities[0].SOA.MName.Bytes, m.Authorities[0].SOA.RName.Bytes, m.Authorities[0].SOA.Serial, m.Authorities[0].SOA.Minimum, len(m.Additionals))
	want := "www.Example.org 192.0.2.1 ::1 x.Example.org mx.a [a bc] 1/2/3/srv.a 1-2-abcd false null m.a/r.a/1/5 1"
	if got != want || m.Rcode() != 0 || m.Answers[0].TTL != 300 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEvents(t *testing.T) {
	loop := message(0x0100, [4]uint16{1, 0, 0, 0}, "\xc0\x0c"+u16(1, 1))
	mutual := message(0x0100, [4]uint16{1, 0, 0, 0}, "\x01a\xc0\x0c"+u16(1, 1))
	long := message(0x0100, [4]uint16{1, 0, 0, 0}, question(strings.Repeat(strings.Repeat("x", 63)+".", 20), 1))
	for _, c := range []struct {
		dir   app.Direction
		data  string
		event string
	}{
		{app.ToServer, loop, "dns.infinite_loop"},
		{app.ToServer, mutual, "dns.infinite_loop"},
		{app.ToServer, long, "dns.name_too_long"},
		{app.ToServer, message(0x0140, [4]uint16{1, 0, 0, 0}, question("a", 1)), "dns.z_flag_set"},
		{app.ToServer, message(0x3900, [4]uint16{1, 0, 0, 0}, question("a", 1)), "dns.invalid_opcode"},
		{app.ToServer, message(0x8180, [4]uint16{1, 0, 0, 0}, question("a", 1)), "dns.not_request"},
		{app.ToClient, message(0x0100, [4]uint16{1, 0, 0, 0}, question("a", 1)), "dns.not_response"},
		{app.ToClient, message(0x8180, [4]uint16{1, 1, 0, 0}, question("a", 1), "\x01"), "dns.malformed_data"},
		{app.ToClient, message(0x8180, [4]uint16{1, 0, 1, 0}, question("a", 1), "\x01"), "dns.invalid_authorities"},
		{app.ToClient, message(0x8180, [4]uint16{1, 0, 0, 1}, question("a", 1), "\x01"), "dns.invalid_additionals"},
		{app.ToServer, "short", "dns.malformed_data"},
	} {
		txs := parse(t, apptest.Say{Dir: c.dir, Data: c.data})
		if len(txs) != 1 || !slices.Contains(txs[0].Events, c.event) {
			t.Errorf("%s: transactions %d, events %v", c.event, len(txs), txs[0].Events)
		}
	}
	if n := parse(t, apptest.C(long))[0].Request.Queries[0].Name; len(n.Bytes) != MaxName || !n.Truncated {
		t.Errorf("a long name keeps %d bytes, truncated %v; want %d, truncated", len(n.Bytes), n.Truncated, MaxName)
	}
}

// A small message may not become a large one, nor take long.
func TestAmplification(t *testing.T) {
	long := strings.TrimSuffix(name(strings.Repeat(strings.Repeat("x", 63)+".", 15)), "\x00") + "\xc0\x0c"
	var b strings.Builder
	n := uint16(0)
	for ; b.Len() < 60000; n++ {
		b.WriteString(rr("\xc0\x0c", typeCNAME, "\xc0\x0c"))
	}
	m := parse(t, apptest.S(message(0x8180, [4]uint16{1, n, 0, 0}, long, u16(1, 1), b.String())))[0].Response
	kept := 0
	for _, a := range m.Answers {
		kept += len(a.Name.Bytes) + len(a.Target.Bytes)
	}
	if len(m.Answers) != int(n) || kept > 2*maxNames {
		t.Errorf("%d of %d records keep %d bytes of names; want all, and at most %d bytes", len(m.Answers), n, kept, 2*maxNames)
	}
}

func TestTCP(t *testing.T) {
	q := message(0x0100, [4]uint16{1, 0, 0, 0}, question("a.b", 1))
	frame := u16(uint16(len(q))) + q
	for _, n := range []int{1, 2, 7, 1000} {
		p := New(Config{TCP: true})
		apptest.Pieces(t, p, n, apptest.C(frame+frame+frame[:10]))
		if len(p.Txs()) != 2 {
			t.Errorf("pieces of %d: %d messages, want 2", n, len(p.Txs()))
		}
	}
	p := New(Config{TCP: true})
	p.Feed(app.ToServer, []byte(frame[:5]), 1)
	p.Gap(app.ToServer, 10)
	p.Feed(app.ToServer, []byte("rest of a lost message"), 1)
	p.Feed(app.ToServer, []byte(frame), 1)
	if len(p.Txs()) != 1 {
		t.Errorf("%d messages after a gap, want the one that follows", len(p.Txs()))
	}
	if err := New(Config{TCP: true}).Feed(app.ToServer, []byte("\x00\x05hello"), 1); err == nil {
		t.Error("a length shorter than a header is taken")
	}
}

func TestProbe(t *testing.T) {
	q := message(0x0100, [4]uint16{1, 0, 0, 0}, question("a.b", 1))
	odd := message(0x0100, [4]uint16{1, 0, 0, 0}, question("a\x01b", 1))
	for name, c := range map[string]struct {
		got, want app.Match
	}{
		"query":                   {Probe(app.ToServer, []byte(q), 0, 53), app.Yes},
		"query on another port":   {Probe(app.ToServer, []byte(q), 0, 9999), app.Yes},
		"odd name":                {Probe(app.ToServer, []byte(odd), 0, 53), app.Yes},
		"odd name elsewhere":      {Probe(app.ToServer, []byte(odd), 0, 9999), app.No},
		"query from the server":   {Probe(app.ToClient, []byte(q), 53, 0), app.No},
		"mdns":                    {Probe(app.ToServer, []byte(q), 0, 5353), app.No},
		"noise":                   {Probe(app.ToServer, []byte("0123456789abcdef"), 0, 53), app.No},
		"tcp":                     {ProbeTCP(app.ToServer, []byte(u16(uint16(len(q)))+q), 0, 53), app.Yes},
		"tcp, beginning":          {ProbeTCP(app.ToServer, []byte("\x00"), 0, 53), app.More},
		"tcp, length of a header": {ProbeTCP(app.ToServer, []byte("GET / HTTP/1.1\r\n\r\n"), 0, 53), app.No},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
}

func FuzzParser(f *testing.F) {
	q := message(0x0100, [4]uint16{1, 0, 0, 0}, question("a.b", 1))
	a := message(0x8180, [4]uint16{1, 2, 0, 0}, question("a.b", 1), rr("\xc0\x0c", typeTXT, "\x01a"), rr("\xc0\x0c", typeMX, "\x00\x01\xc0\x0c"))
	f.Add(apptest.Encode(apptest.C(q), apptest.S(a)), false)
	f.Add(apptest.Encode(apptest.C(u16(uint16(len(q)))+q), apptest.S(u16(uint16(len(a)))+a)), true)
	f.Fuzz(func(t *testing.T, data []byte, tcp bool) {
		apptest.Drive(t, New(Config{TCP: tcp, MaxTx: 16}), data)
	})
}

// TestSilence holds that the answer to a question without record has none either, and that few questions are remembered.
func TestSilence(t *testing.T) {
	ask := func(p *Parser, id uint16, flags uint16, dir app.Direction) *Tx {
		t.Helper()
		if err := p.Feed(dir, []byte(u16(id, flags, 1, 0, 0, 0)+name("example.org")+u16(1, 1)), 1); err != nil {
			t.Fatal(err)
		}
		return p.Txs()[len(p.Txs())-1].(*Tx)
	}
	p := New(Config{})
	p.Silence(ask(p, 7, 0x100, app.ToServer))
	if ask(p, 8, 0x8180, app.ToClient).Logged {
		t.Error("another question's answer is not recorded")
	}
	if !ask(p, 7, 0x8180, app.ToClient).Logged || ask(p, 7, 0x8180, app.ToClient).Logged {
		t.Error("want the first answer without record, and a second one with")
	}
	for id := range uint16(2 * maxQuiet) {
		p.Silence(ask(p, id, 0x100, app.ToServer))
	}
	if len(p.quiet) != maxQuiet || ask(p, 0, 0x8180, app.ToClient).Logged || !ask(p, 2*maxQuiet-1, 0x8180, app.ToClient).Logged {
		t.Errorf("%d questions are remembered, want the latest %d", len(p.quiet), maxQuiet)
	}
}
