package smb

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

var le = binary.LittleEndian

// session wraps a message in a NetBIOS session message.
func session(msg string) string {
	return string([]byte{0, byte(len(msg) >> 16), byte(len(msg) >> 8), byte(len(msg))}) + msg
}

// msg2 is a message of SMB 2.
func msg2(command uint16, id uint64, response bool, status uint32, body string) string {
	h := make([]byte, header2Len)
	copy(h, "\xfeSMB\x40\x00")
	le.PutUint32(h[8:], status)
	le.PutUint16(h[12:], command)
	if response {
		h[16] = 1
	}
	le.PutUint64(h[24:], id)
	le.PutUint32(h[36:], 7)  // share
	le.PutUint64(h[40:], 99) // session
	return session(string(h) + body)
}

func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return string(b)
}

const handle = "0123456789abcdef"

// at is a body of n zero bytes with values set: offset, bytes, offset, bytes, …
func at(n int, set ...any) string {
	b := make([]byte, n)
	for i := 0; i < len(set); i += 2 {
		copy(b[set[i].(int):], set[i+1].(string))
	}
	return string(b)
}

func u16(v uint16) string { return string(le.AppendUint16(nil, v)) }
func u32(v uint32) string { return string(le.AppendUint32(nil, v)) }
func u64(v uint64) string { return string(le.AppendUint64(nil, v)) }

func create(id uint64, name string) []apptest.Say {
	n := wide(name)
	return []apptest.Say{
		apptest.C(msg2(cmd2Create, id, false, 0, at(56, 36, u32(2), 44, u16(header2Len+56), 46, u16(uint16(len(n))))+n)),
		apptest.S(msg2(cmd2Create, id, true, 0, at(88, 64, handle))),
	}
}

func write(id, offset uint64, data string) string {
	return msg2(cmd2Write, id, false, 0, at(48, 2, u16(header2Len+48), 4, u32(uint32(len(data))), 8, u64(offset), 16, handle)+data)
}

func mount(kind byte, share string) []apptest.Say {
	n := wide(share)
	return []apptest.Say{
		apptest.C(msg2(cmd2Tree, 1, false, 0, at(8, 4, u16(header2Len+8), 6, u16(uint16(len(n))))+n)),
		apptest.S(msg2(cmd2Tree, 1, true, 0, at(16, 2, string(kind)))),
	}
}

func shut(id uint64) []apptest.Say {
	return []apptest.Say{apptest.C(msg2(cmd2Close, id, false, 0, at(24, 8, handle))), apptest.S(msg2(cmd2Close, id, true, 0, at(60)))}
}

func join(lists ...[]apptest.Say) []apptest.Say { return slices.Concat(lists...) }

func run(t *testing.T, n int, says ...apptest.Say) []*Tx {
	t.Helper()
	p := New(DefaultConfig())
	apptest.Pieces(t, p, n, says...)
	var list []*Tx
	for _, tx := range p.Txs() {
		list = append(list, tx.(*Tx))
	}
	return list
}

func TestFile(t *testing.T) {
	data := strings.Repeat("0123456789", 100)
	says := join(mount(1, `\\srv\c$`), create(2, `dir\évil.exe`),
		// Out of order, in part twice.
		[]apptest.Say{apptest.C(write(4, 600, data[600:]) + write(3, 0, data[:500]) + write(5, 400, data[400:600]))},
		shut(6))
	for _, n := range []int{1, 3, 300, 1 << 20} {
		txs := run(t, n, says...)
		var commands []string
		for _, tx := range txs {
			commands = append(commands, strings.TrimPrefix(tx.Command, "SMB2_COMMAND_"))
		}
		if got := strings.Join(commands, " "); got != "TREE_CONNECT CREATE WRITE CLOSE" {
			t.Fatalf("pieces of %d: %s", n, got)
		}
		if string(txs[0].Share) != `\\srv\c$` || txs[0].ShareType != "DISK" || txs[1].Create.Disposition != "FILE_CREATE" || txs[1].Status != "STATUS_SUCCESS" {
			t.Errorf("pieces of %d: share %q type %s, disposition %s, status %s", n, txs[0].Share, txs[0].ShareType, txs[1].Create.Disposition, txs[1].Status)
		}
		f := txs[2].Files[0]
		if string(f.Name) != `dir\évil.exe` || string(f.Data) != data || f.State != app.FileClosed || f.Dir != app.ToServer {
			t.Errorf("pieces of %d: file %q of %d bytes, %v, direction %d", n, f.Name, len(f.Data), f.State, f.Dir)
		}
	}
}

// What waits for an earlier piece is bounded: then the hole is given up.
func TestFileFarAhead(t *testing.T) {
	f := &transfer{tx: &Tx{}}
	f.file = f.tx.NewFile(&app.FileConfig{}, nil, app.ToServer)
	f.write(100, make([]byte, 2*maxHeld))
	for i := range uint64(2 * maxPieces) {
		f.write(1<<32+10*i, []byte("x"))
	}
	if len(f.wait) > maxPieces || f.held > maxHeld || !f.file.Gaps {
		t.Errorf("%d pieces of %d bytes wait, gaps %v", len(f.wait), f.held, f.file.Gaps)
	}
}

func TestFileWithGap(t *testing.T) {
	p := New(DefaultConfig())
	for _, s := range create(2, "f") {
		p.Feed(s.Dir, []byte(s.Data), 1)
	}
	w := write(3, 0, strings.Repeat("x", 5000))
	p.Feed(app.ToServer, []byte(w[:1000]), 1)
	p.Gap(app.ToServer, 1000)
	p.Feed(app.ToServer, []byte(w[2000:]), 1)
	for _, s := range shut(4) {
		p.Feed(s.Dir, []byte(s.Data), 1)
	}
	for _, tx := range p.Txs() {
		if x := tx.(*Tx); x.IsFile {
			if f := x.Files[0]; f.Size != 5000 || !f.Gaps || f.State != app.FileTruncated {
				t.Errorf("file of %d bytes, gaps %v, %v; want 5000, gaps, truncated", f.Size, f.Gaps, f.State)
			}
			return
		}
	}
	t.Error("no file")
}

// bind and ack are DCE/RPC packets for one interface.
func bind() string {
	body := at(12, 8, "\x01") + u16(0) + "\x01\x00" + "\x78\x56\x34\x12\x34\x12\xcd\xab" + "\xef\x00\x01\x23\x45\x67\xcf\xfb" + u16(1) + u16(0) + at(20)
	return "\x05\x00\x0b\x03\x10\x00\x00\x00" + u16(uint16(16+len(body))) + u16(0) + u32(5) + body
}

func ack() string {
	body := at(8) + u16(0) + at(2) + "\x01\x00\x00\x00" + u16(0) + u16(0) + at(20)
	return "\x05\x00\x0c\x03\x10\x00\x00\x00" + u16(uint16(16+len(body))) + u16(0) + u32(5) + body
}

func call(kind byte, id uint32, opnum uint16, stub string) string {
	body := u32(0) + u16(0) + u16(opnum) + stub
	return "\x05\x00" + string(kind) + "\x03\x10\x00\x00\x00" + u16(uint16(16+len(body))) + u16(0) + u32(id) + body
}

func TestPipe(t *testing.T) {
	ioctl := call(0, 6, 4, "stub")
	answer := call(2, 6, 0, "answer")
	txs := run(t, 50, join(mount(2, `\\srv\IPC$`), create(2, "svcctl"),
		[]apptest.Say{
			apptest.C(write(3, 0, bind())), apptest.S(msg2(cmd2Write, 3, true, 0, at(17))),
			apptest.C(msg2(cmd2Read, 4, false, 0, at(49, 4, u32(1024), 16, handle))),
			apptest.S(msg2(cmd2Read, 4, true, 0, at(16, 2, string(byte(header2Len+16)), 4, u32(uint32(len(ack()))))+ack())),
			apptest.C(msg2(cmd2Ioctl, 5, false, 0, at(56, 4, u32(fsctlPipe), 8, handle, 24, u32(header2Len+56), 28, u32(uint32(len(ioctl))))+ioctl)),
			apptest.S(msg2(cmd2Ioctl, 5, true, 0, at(48, 32, u32(header2Len+48), 36, u32(uint32(len(answer))))+answer)),
		})...)
	if string(txs[0].NamedPipe) != `\\srv\IPC$` || string(txs[1].NamedPipe) != "svcctl" {
		t.Errorf("pipes %q %q", txs[0].NamedPipe, txs[1].NamedPipe)
	}
	b, c := txs[2].DCERPC, txs[3].DCERPC
	if i := b.Interfaces[0]; !i.Answered || i.Result != 0 || i.UUID != [16]byte{0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0, 1, 0x23, 0x45, 0x67, 0xcf, 0xfb} {
		t.Errorf("interface %+v", i)
	}
	if c.Opnum != 4 || string(c.ReqStub) != "stub" || string(c.ResStub) != "answer" || len(c.Accepted) != 1 || !c.ReqDone || !c.ResDone {
		t.Errorf("call %+v", c)
	}
}

func TestLogon(t *testing.T) {
	u, d, h := wide("admin"), wide("CORP"), wide("WS1")
	m := at(72, 0, "NTLMSSP\x00\x03", 28, u16(uint16(len(d))), 32, u32(72), 36, u16(uint16(len(u))), 40, u32(uint32(72+len(d))),
		44, u16(uint16(len(h))), 48, u32(uint32(72+len(d)+len(u))), 60, u32(0x02000001), 64, "\x0a\x00\x63\x45\x00\x00\x00\x0f") + d + u + h
	body := func(blob string) string {
		return at(24, 12, u16(header2Len+24), 14, u16(uint16(len(blob)))) + blob
	}
	tx := run(t, 9, apptest.C(msg2(cmd2Setup, 1, false, 0, body("spnego"+m))), apptest.S(msg2(cmd2Setup, 1, true, 0xc000006d, at(8))))[0]
	if n := tx.NTLMSSP; n == nil || string(n.User) != "admin" || string(n.Domain) != "CORP" || string(n.Host) != "WS1" || n.Version != "10.0 build 17763 rev 15" {
		t.Errorf("logon %+v", tx.NTLMSSP)
	}
	if tx.Status != "STATUS_LOGON_FAILURE" {
		t.Errorf("status %s", tx.Status)
	}
	tx = run(t, 99, apptest.C(msg2(cmd2Setup, 1, false, 0, body(m[:80]))))[0]
	if !slices.Contains(tx.Events, "smb.malformed_ntlmssp_request") {
		t.Errorf("cut logon: events %v", tx.Events)
	}
}

// msg1 is a message of SMB 1.
func msg1(command byte, id uint16, response bool, words, data string) string {
	h := make([]byte, header1Len)
	copy(h, "\xffSMB")
	h[4] = command
	if response {
		h[9] = 0x80
	}
	le.PutUint16(h[10:], 0xc000)
	le.PutUint16(h[24:], 3)
	le.PutUint16(h[30:], id)
	return session(string(h) + string(byte(len(words)/2)) + words + u16(uint16(len(data))) + data)
}

func TestSMB1(t *testing.T) {
	name := "\x00" + wide("f.txt") // padding to an even offset
	txs := run(t, 40,
		apptest.C(msg1(cmd1Negotiate, 1, false, "", "\x02LANMAN1.0\x00\x02NT LM 0.12\x00")), apptest.S(msg1(cmd1Negotiate, 1, true, at(34, 0, u16(1)), at(16))),
		apptest.C(msg1(cmd1Create, 2, false, at(48, 0, "\xff", 5, u16(uint16(len(name)-1)), 35, u32(1)), name)), apptest.S(msg1(cmd1Create, 2, true, at(68, 0, "\xff", 5, u16(0x4001)), "")),
		apptest.C(msg1(cmd1WriteAndX, 3, false, at(28, 0, "\xff", 4, u16(0x4001), 20, u16(4), 22, u16(header1Len+31)), "data")),
		apptest.C(msg1(cmd1Close, 4, false, at(6, 0, u16(0x4001)), "")), apptest.S(msg1(cmd1Close, 4, true, "", "")))
	if len(txs) != 4 || txs[0].Dialect != "NT LM 0.12" || string(txs[1].FileName) != "f.txt" || txs[1].Create.Disposition != "FILE_OPEN" {
		t.Fatalf("%d transactions, dialect %q, file %q", len(txs), txs[0].Dialect, txs[1].FileName)
	}
	if f := txs[2].Files[0]; string(f.Name) != "f.txt" || string(f.Data) != "data" || f.State != app.FileClosed {
		t.Errorf("file %q %q %v", f.Name, f.Data, f.State)
	}
}

func TestFaults(t *testing.T) {
	p := New(DefaultConfig())
	if err := p.Feed(app.ToServer, []byte("GET / HTTP/1.1\r\n"), 1); err != ErrNotSMB {
		t.Errorf("another protocol: %v, want %v", err, ErrNotSMB)
	}
	p = New(DefaultConfig())
	p.Feed(app.ToServer, []byte(session("\xfeABC, which is no message")+write(1, 0, "x")), 1)
	if !slices.Contains(p.Txs()[0].Base().Events, "smb.malformed_data") || len(p.Txs()) != 2 {
		t.Errorf("%d transactions, events %v", len(p.Txs()), p.Txs()[0].Base().Events)
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(join(mount(1, "s"), create(2, "f"), []apptest.Say{apptest.C(write(3, 0, "data"))}, shut(4))...))
	f.Add(apptest.Encode(join(mount(2, "s"), create(2, "f"), []apptest.Say{apptest.C(write(3, 0, bind()) + write(4, 0, call(0, 6, 1, "stub")))})...))
	f.Add(apptest.Encode(apptest.C(msg1(cmd1Negotiate, 1, false, "", "\x02NT LM 0.12\x00")), apptest.S(msg1(cmd1Negotiate, 1, true, at(34), at(16))),
		apptest.C(msg1(cmd1Setup, 2, false, at(24), wide("os")+"\x00\x00"+wide("lm"))), apptest.C(msg1(cmd1Trans, 3, false, at(32, 28, u16(0x26)), "x"))))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(DefaultConfig()), data) })
}
