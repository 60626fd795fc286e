package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/ftp"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/flow/smtp"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/flow/tls"
)

// smb2 is an SMB 2 message of n bytes; next is where another one begins behind it, 0 for none.
func smb2(n int, next byte) string {
	return "\xfeSMB\x40" + strings.Repeat("\x00", 15) + string([]byte{next}) + strings.Repeat("\x00", n-21)
}

// TestParsersMarkFrames feeds each parser one direction, in pieces of several sizes: the frames are the same.
func TestParsersMarkFrames(t *testing.T) {
	for _, c := range []struct {
		name string
		make func() app.Parser
		dir  app.Direction
		data string
		want string // type offset+length, "…" for a length that is not known
	}{
		{"http1", func() app.Parser { return http1.New(http1.DefaultConfig()) }, app.ToServer,
			"\r\nGET / HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /c", "request 2+18, request 20+42, request 62…"},
		{"http2", func() app.Parser { return http2.New(http2.DefaultConfig()) }, app.ToServer,
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x00\x00\x04\x01\x00\x00\x00\x00",
			"pdu 24+15, hdr 24+9, data 33+6, pdu 39+9, hdr 39+9"},
		{"dns", func() app.Parser { return dns.New(dns.Config{TCP: true}) }, app.ToServer,
			"\x00\x0c\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "pdu 2+12, pdu 16+12"},
		{"tls", func() app.Parser { return tls.New(tls.Config{}) }, app.ToClient,
			"\x15\x03\x01\x00\x02\x01\x00\x17\x03\x01\x00\x03abc\x18\x03\x01\x00\x01x", "pdu 0+7, hdr 0+5, data 5+2, alert 5+2, pdu 7+8, hdr 7+5, data 12+3, pdu 15+6, hdr 15+5, data 20+1, heartbeat 20+1"},
		{"ssl2", func() app.Parser { return tls.New(tls.Config{}) }, app.ToServer,
			"\x80\x0c\x01\x03\x01\x00\x03\x00\x00\x00\x00\x00\x00\x05", "ssl2.pdu 0+14, ssl2.hdr 0+2"},
		{"ssh", func() app.Parser { return ssh.New(ssh.Config{}) }, app.ToClient,
			"SSH-2.0-x\r\n\x00\x00\x00\x08\x04\x14abcdef\x00\x00\x00\x02\x00\x15", "record.pdu 11+12, record.hdr 11+6, record.data 17+6, record.pdu 23+6, record.hdr 23+6"},
		{"smtp", func() app.Parser { return smtp.New(smtp.DefaultConfig()) }, app.ToServer,
			"HELO x\r\nNOOP " + strings.Repeat("y", 5000) + "\r\n", "command_line 0+8, command_line 8+5007"},
		{"smtp replies", func() app.Parser { return smtp.New(smtp.DefaultConfig()) }, app.ToClient,
			"220 x\r\n250 ok\n25", "response_line 0+7, response_line 7+7"},
		{"ftp", func() app.Parser { return ftp.New(ftp.Config{}) }, app.ToServer, "USER x\r\nPASS y\r\nQU", "command_line 0+8, command_line 8+8"},
		{"ftp replies", func() app.Parser { return ftp.New(ftp.Config{}) }, app.ToClient, "220 x\r\n331\n", "response_line 0+7, response_line 7+4"},
		{"smb1", func() app.Parser { return smb.New(smb.DefaultConfig()) }, app.ToServer,
			"\x81\x00\x00\x02xx\x00\x00\x00\x24\xffSMB" + strings.Repeat("\x00", 32), "nbss.pdu 0+6, nbss.hdr 0+4, nbss.data 4+2, nbss.pdu 6+40, nbss.hdr 6+4, nbss.data 10+36, smb1.pdu 10+36, smb1.hdr 10+32, smb1.data 42+4"},
		{"smb2", func() app.Parser { return smb.New(smb.DefaultConfig()) }, app.ToServer,
			"\x00\x00\x00\x92" + smb2(72, 72) + smb2(74, 0), "nbss.pdu 0+150, nbss.hdr 0+4, nbss.data 4+146, smb2.pdu 4+72, smb2.hdr 4+64, smb2.data 68+8, smb2.pdu 76+74, smb2.hdr 76+64, smb2.data 140+10"},
		{"smb3", func() app.Parser { return smb.New(smb.DefaultConfig()) }, app.ToServer,
			"\x00\x00\x00\x36\xfdSMB" + strings.Repeat("\x00", 50), "nbss.pdu 0+58, nbss.hdr 0+4, nbss.data 4+54, smb3.pdu 4+54, smb3.hdr 4+52, smb3.data 56+2"},
		{"dcerpc", func() app.Parser { return dcerpc.New() }, app.ToServer,
			"\x05\x00\x00\x03\x10\x00\x00\x00\x1c\x00\x00\x00\x01\x00\x00\x00" + strings.Repeat("\x00", 12), "pdu 0+28, hdr 0+16, data 16+12"},
	} {
		for _, piece := range []int{1, 3, 7, len(c.data)} {
			p, marks := c.make(), &app.Frames{Wanted: 1<<app.NumFrameTypes - 1}
			p.(app.Framer).SetFrames(marks)
			for at := 0; at < len(c.data); at += piece {
				end := min(at+piece, len(c.data))
				marks.Fed(c.dir, uint64(end))
				if err := p.Feed(c.dir, []byte(c.data[at:end]), 1); err != nil {
					t.Fatalf("%s in pieces of %d: %v", c.name, piece, err)
				}
			}
			if got := frameList(marks.Live(c.dir)); got != c.want {
				t.Errorf("%s in pieces of %d: %s\nwant %s", c.name, piece, got, c.want)
			}
		}
	}
}

func frameList(list []app.Frame) string {
	var out []string
	for _, f := range list {
		length := "…"
		if f.Length >= 0 {
			length = fmt.Sprintf("+%d", f.Length)
		}
		out = append(out, fmt.Sprintf("%v %d%s", f.Type, f.Offset, length))
	}
	return strings.Join(out, ", ")
}

// marker is a parser that marks each piece that it gets.
type marker struct {
	echo
	frames *app.Frames
}

func (m *marker) SetFrames(f *app.Frames) { m.frames = f }
func (m *marker) Feed(dir app.Direction, data []byte, _ int64) error {
	m.frames.Add(dir, app.HTTP1Request, len(data), int64(len(data)+10))
	return nil
}

func TestFramesAreHeldUntilSeen(t *testing.T) {
	b := newBench(t, func(c *flow.Config) {
		c.Protocols[0].New = func() app.Parser { return &marker{} }
	})
	w := flow.FrameWish{Inspect: true}
	w.Types[app.HTTP1] = 1<<app.HTTP1Request | 1<<app.FrameStream
	b.tr.WantFrames(w)
	b.handshake()
	b.c("A", 0, 0, "abcdef")
	b.s("A", 0, 6, "")
	b.c("A", 6, 0, "ghi")
	b.s("A", 0, 9, "")
	f := b.last.Flow
	if got := frameList(f.Frames.Live(app.ToServer)); got != "stream 0…, request 0+16, request 6+13" {
		t.Fatalf("frames %s", got)
	}
	fr := &f.Frames.Live(app.ToServer)[1]
	data, at := f.FrameBytes(fr, fr.Offset, nil)
	if string(data) != "abcdefghi" || at != 0 || f.FrameEnded(fr) {
		t.Errorf("%q from %d is held of a frame, ended %v", data, at, f.FrameEnded(fr))
	}
	if data, at = f.FrameBytes(fr, 9, nil); len(data) != 0 || at != 9 {
		t.Errorf("%q from %d behind what has come", data, at)
	}
	for i := range f.Frames.Live(app.ToServer) {
		f.Frames.Live(app.ToServer)[i].Tried = true
	}
	b.tr.Done(&b.last)
	if got := frameList(f.Frames.Live(app.ToServer)); got != "" {
		t.Errorf("%s is kept after rules have seen it", got)
	}
}

func TestFramesThatNobodyWantsCostNothing(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.Protocols[0].New = func() app.Parser { return &marker{} } })
	b.handshake()
	b.c("A", 0, 0, "abcdef")
	b.s("A", 0, 6, "")
	if f := b.last.Flow; f.Parser == nil || f.Frames != nil {
		t.Errorf("parser %v, frames %v: want a parser without frames", f.Parser, f.Frames)
	}
}
