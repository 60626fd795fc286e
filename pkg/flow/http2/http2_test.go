package http2

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}) + payload
}

// TestHPACK follows RFC 7541 appendix C.4 and C.6: requests and responses with Huffman coding and one table.
func TestHPACK(t *testing.T) {
	for name, blocks := range map[string][][2]string{
		"C.4": {
			{"828684418cf1e3c2e5f23a6ba0ab90f4ff", ":method=GET :scheme=http :path=/ :authority=www.example.com"},
			{"828684be5886a8eb10649cbf", ":method=GET :scheme=http :path=/ :authority=www.example.com cache-control=no-cache"},
			{"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", ":method=GET :scheme=https :path=/index.html :authority=www.example.com custom-key=custom-value"},
		},
		"C.6": {
			{"488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
				":status=302 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com"},
			{"4883640effc1c0bf", ":status=307 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com"},
		},
	} {
		tab := table{max: 256, limit: 256}
		for i, b := range blocks {
			raw, _ := hex.DecodeString(b[0])
			blk, err := tab.decode(raw)
			var got []string
			for _, h := range blk.fields {
				got = append(got, string(h.Name)+"="+string(h.Value))
			}
			if text := strings.Join(got, " "); err != nil || text != b[1] {
				t.Errorf("%s, block %d: %q, %v; want %q", name, i+1, text, err, b[1])
			}
		}
	}
}

func TestHPACKFaults(t *testing.T) {
	for text, want := range map[string]error{
		"ff808080808001": errOverflow, // index beyond 32 bits
		"be":             errHeader,   // an empty dynamic table has no first entry
		"80":             errHeader,   // index 0
		"41":             errHeader,   // a value is missing
		"4184ffffffff":   errHeader,   // padding longer than seven bits
		"418100":         errHeader,   // padding of zeros
		"4105616263":     errHeader,   // a string runs out
		"3fe1ffffffff7f": errOverflow, // table size
	} {
		raw, _ := hex.DecodeString(text)
		if _, err := (&table{max: 100, limit: 100}).decode(raw); err != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	// One large entry, named again and again: the list is bounded.
	raw := "\x40\x01a\x7f\x81\x1e" + strings.Repeat("x", 3968) + strings.Repeat("\xbe", 1000)
	blk, err := (&table{max: 1 << 16, limit: 1 << 16}).decode([]byte(raw))
	if err != errBomb || len(blk.fields) > maxList/3968 {
		t.Errorf("%v after %d fields, want %v", err, len(blk.fields), errBomb)
	}
}

const (
	request  = "\x82\x84\x86\x41\x0bexample:80" + "1" // GET / http, authority example:801
	response = "\x88"                                 // 200
)

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func conversation() []apptest.Say {
	body := gzipped("the body")
	head := response + "\x5a\x04gzip"
	return []apptest.Say{
		apptest.C(preface + frame(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x64") + frame(frameHeaders, flagEndHeaders|flagEndStream, 1, request)),
		apptest.S(frame(frameSettings, 0, 0, "") + frame(frameHeaders, 0, 1, head[:3]) + frame(frameContinuation, flagEndHeaders, 1, head[3:])),
		apptest.S(frame(frameData, flagPadded, 1, "\x04"+body[:10]+"padd") + frame(frameData, flagEndStream, 1, body[10:])),
		apptest.C(frame(frameWindow, 0, 0, "\x00\x00\x10\x00") + frame(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x02")),
	}
}

func TestConversation(t *testing.T) {
	for _, n := range []int{1, 4, 1 << 20} {
		p := New(DefaultConfig())
		apptest.Pieces(t, p, n, conversation()...)
		var stream *Tx
		var log []string
		for _, tx := range p.Txs() {
			x := tx.(*Tx)
			if x.StreamID == 1 {
				stream = x
				continue
			}
			m := x.Request
			if len(m.Frames) == 0 {
				m = x.Response
			}
			log = append(log, fmt.Sprint(m.Frames[0].Type, m.Settings, m.WindowUpdates, m.ErrorCode))
		}
		slices.Sort(log)
		if got := strings.Join(log, " "); got != "4 [] [] 0 4 [{3 100}] [] 0 7 [] [] 2 8 [] [4096] 0" {
			t.Errorf("pieces of %d: frames of the connection: %s", n, got)
		}
		f := stream.Files[0]
		if string(stream.Method) != "GET" || string(stream.Host) != "example" || string(stream.Status) != "200" || string(stream.Response.Body) != "the body" ||
			f.State != app.FileClosed || f.Size != 8 || stream.Progress != [2]uint8{Complete, Complete} || len(stream.Events) > 0 {
			t.Errorf("pieces of %d: %s %s %s %q file %v %d, progress %v, events %v", n, stream.Method, stream.Host, stream.Status, stream.Response.Body, f.State, f.Size, stream.Progress, stream.Events)
		}
		if got := string(stream.Request.AppendHeader(nil)); !strings.HasPrefix(got, ":method: GET\r\n:path: /\r\n") {
			t.Errorf("header buffer %q", got)
		}
	}
}

func TestEvents(t *testing.T) {
	client := func(frames string) []apptest.Say { return []apptest.Say{apptest.C(preface + frames)} }
	for event, says := range map[string][]apptest.Say{
		"http2.invalid_client_magic":    {apptest.C("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")},
		"http2.data_stream_zero":        client(frame(frameData, 0, 0, "x")),
		"http2.invalid_frame_length":    client(frame(frameSettings, 0, 0, "12345")),
		"http2.invalid_header":          client(frame(frameHeaders, flagEndHeaders, 1, "\x80")),
		"http2.header_integer_overflow": client(frame(frameHeaders, flagEndHeaders, 1, "\xff\x80\x80\x80\x80\x80\x01")),
		"http2.authority_host_mismatch": client(frame(frameHeaders, flagEndHeaders, 1, "\x41\x01a\x66\x01b")),
		"http2.userinfo_in_uri":         client(frame(frameHeaders, flagEndHeaders, 1, "\x41\x03u@a")),
		"http2.invalid_frame_data":      client(frame(frameHeaders, 0, 1, "\x82") + frame(frameSettings, 0, 0, "")),
		"http2.stream_id_reuse":         client(frame(frameData, 0, 5, "x")),
		"http2.long_frame_data":         client(frame(frameHeaders, 0, 1, strings.Repeat("x", maxFrame+1))),
	} {
		p := New(DefaultConfig())
		for _, s := range says {
			p.Feed(s.Dir, []byte(s.Data), 1)
		}
		found := false
		for _, tx := range p.Txs() {
			found = found || slices.Contains(tx.Base().Events, event)
		}
		if !found {
			t.Errorf("%s is not reported", event)
		}
	}
}

func TestGap(t *testing.T) {
	p := New(DefaultConfig())
	p.Feed(app.ToServer, []byte(preface+frame(frameHeaders, flagEndHeaders|flagEndStream, 1, request)), 1)
	p.Feed(app.ToClient, []byte(frame(frameHeaders, flagEndHeaders, 1, response)+frame(frameData, flagEndStream, 1, "0123456789")[:12]), 1)
	p.Gap(app.ToClient, 5)
	if err := p.Feed(app.ToClient, []byte("89"), 1); err != nil {
		t.Error(err)
	}
	if f := p.Txs()[0].(*Tx).Files[0]; f.State != app.FileTruncated || !f.Gaps || f.Size != 10 {
		t.Errorf("file %v gaps %v size %d, want truncated with gaps of 10 bytes", f.State, f.Gaps, f.Size)
	}
	p.Gap(app.ToClient, 1)
	if err := p.Feed(app.ToClient, []byte("x"), 1); err != ErrGap {
		t.Errorf("after a gap between frames: %v, want %v", err, ErrGap)
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(conversation()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := DefaultConfig()
		c.RequestBodyLimit, c.ResponseBodyLimit, c.Files.Ranges = 1000, 1000, app.NewRanges()
		apptest.Drive(t, New(c), data)
	})
}
