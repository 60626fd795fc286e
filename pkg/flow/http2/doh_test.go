package http2

import (
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// TestDNS follows the examples of RFC 8484 §4.1.1 and §4.2.2.
func TestDNS(t *testing.T) {
	const (
		question = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01"
		answer   = "\x00\x00\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x1c\x00\x01\xc0\x0c\x00\x1c\x00\x01\x00\x00\x0e\x7d\x00\x10 \x01\x0d\xb8\xab\xcd\x00\x12\x00\x01\x00\x02\x00\x03\x00\x04"
		param    = "?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
		accept   = "\x0f\x04\x17" + dnsType
		content  = "\x0f\x10\x17" + dnsType
	)
	path := func(s string) string { return "\x04" + string(rune(len(s))) + s }
	get := func(target, rest string) apptest.Say {
		return apptest.C(preface + frame(frameHeaders, flagEndHeaders|flagEndStream, 1, "\x82\x87"+path(target)+rest))
	}
	reply := apptest.S(frame(frameHeaders, flagEndHeaders, 1, response+content) + frame(frameData, flagEndStream, 1, answer))
	for name, c := range map[string]struct {
		says     []apptest.Say
		proto    app.Proto
		question bool
		answers  int
		event    string
	}{
		"GET":            {[]apptest.Say{get("/dns-query"+param, accept), reply}, app.DOH2, true, 1, ""},
		"padded":         {[]apptest.Say{get("/dns-query?x=1&dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB=", accept), reply}, app.DOH2, true, 1, ""},
		"POST":           {[]apptest.Say{apptest.C(preface + frame(frameHeaders, flagEndHeaders, 1, "\x83\x87"+path("/q")+content) + frame(frameData, flagEndStream, 1, question)), reply}, app.DOH2, true, 1, ""},
		"not asked for":  {[]apptest.Say{get("/dns-query"+param, "")}, app.HTTP2, false, 0, ""},
		"not base64":     {[]apptest.Say{get("/dns-query?dns=$", accept)}, app.DOH2, false, 0, ""},
		"cut short":      {[]apptest.Say{get("/dns-query?dns=AAABAAAB", accept)}, app.DOH2, false, 0, "dns.malformed_data"},
		"answered alone": {[]apptest.Say{reply}, app.DOH2, false, 1, ""},
	} {
		cfg := DefaultConfig()
		cfg.Files.Unread = true // DNS is read although nobody looks into bodies
		p := New(cfg)
		apptest.Feed(t, p, c.says...)
		tx := p.Txs()[0].(*Tx)
		q, a := tx.DNS[app.ToServer], tx.DNS[app.ToClient]
		if p.Proto() != c.proto || (q != nil) != c.question || c.event != "" && !slices.Contains(tx.Events, c.event) {
			t.Errorf("%s: %v, question %+v, events %v", name, p.Proto(), q, tx.Events)
		}
		if q != nil && string(q.Queries[0].Name.Bytes) != "www.example.com" {
			t.Errorf("%s: question %q", name, q.Queries[0].Name.Bytes)
		}
		if n := 0; a != nil && len(a.Answers) != c.answers || a == nil && c.answers != n {
			t.Errorf("%s: answer %+v", name, a)
		}
	}
}

// TestReset holds that what a server has sent before it hears that its client gave up belongs to the stream still, and that the
// streams which wait for that are few.
func TestReset(t *testing.T) {
	p := New(DefaultConfig())
	cancel := frame(frameReset, 0, 1, "\x00\x00\x00\x08")
	apptest.Feed(t, p, apptest.C(preface+frame(frameHeaders, flagEndHeaders|flagEndStream, 1, request)+cancel),
		apptest.S(frame(frameHeaders, flagEndHeaders, 1, response)+frame(frameData, flagEndStream, 1, "late")))
	if tx := p.Txs()[0].(*Tx); len(p.Txs()) != 1 || string(tx.Response.Body) != "late" || !tx.Complete[app.ToClient] {
		t.Errorf("%d streams, the first answered %q", len(p.Txs()), tx.Response.Body)
	}
	p = New(DefaultConfig())
	says := preface
	for id := range uint32(100) {
		says += frame(frameHeaders, flagEndHeaders|flagEndStream, 2*id+1, request) + frame(frameReset, 0, 2*id+1, "\x00\x00\x00\x08")
	}
	if err := p.Feed(app.ToServer, []byte(says), 1); err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, tx := range p.Txs() {
		if !tx.Base().Complete[app.ToClient] {
			open++
		}
	}
	if open != maxReset || len(p.streams) != maxReset || len(p.reset) != maxReset {
		t.Errorf("%d transactions and %d streams are open, want %d", open, len(p.streams), maxReset)
	}
	p = New(DefaultConfig())
	apptest.Feed(t, p, apptest.C(preface+frame(frameHeaders, flagEndHeaders|flagEndStream, 1, request)), apptest.S(cancel))
	if !p.Txs()[0].Base().Complete[app.ToClient] {
		t.Error("a stream that the server gave up is open")
	}
}

// TestRanges holds that pieces of a file come together over streams.
func TestRanges(t *testing.T) {
	c := DefaultConfig()
	c.Files.Ranges = app.NewRanges()
	p := New(c)
	head := func(span string) string { return "\x4a\x03206" + "\x0f\x0f" + string(rune(len(span))) + span }
	apptest.Feed(t, p, apptest.C(preface+frame(frameHeaders, flagEndHeaders|flagEndStream, 1, request)+frame(frameHeaders, flagEndHeaders|flagEndStream, 3, request)),
		apptest.S(frame(frameHeaders, flagEndHeaders, 1, head("bytes 3-5/6"))+frame(frameData, flagEndStream, 1, "def")),
		apptest.S(frame(frameHeaders, flagEndHeaders, 3, head("bytes 0-2/6"))+frame(frameData, flagEndStream, 3, "abc")))
	first, second := p.Txs()[0].Base().Files, p.Txs()[1].Base().Files
	if len(first) != 1 || len(second) != 2 || string(second[1].Data) != "abcdef" || second[1].State != app.FileClosed {
		t.Errorf("files %v and %v", first, second)
	}
}

// TestInherit follows RFC 7540 §3.2.
func TestInherit(t *testing.T) {
	r := &app.Request{Method: []byte("GET"), Target: []byte("/robots.txt"), Fields: []app.Field{
		{Name: []byte("Host"), Value: []byte("Example.org:80")}, {Name: []byte("HTTP2-Settings"), Value: []byte("AAMAAABkAARAAAAAAAIAAAAA")}}}
	p := New(DefaultConfig())
	p.Inherit(r, 1)
	apptest.Feed(t, p, apptest.S(frame(frameHeaders, flagEndHeaders|flagEndStream, 1, response)), apptest.C(preface+frame(frameSettings, 0, 0, "")))
	tx, set := p.Txs()[0].(*Tx), p.Txs()[1].(*Tx)
	if tx.StreamID != 1 || string(tx.Host) != "example.org" || string(tx.Status) != "200" || !tx.Complete[app.ToServer] || !tx.Complete[app.ToClient] {
		t.Errorf("stream 1: %+v", tx)
	}
	if want := []Setting{{3, 100}, {4, 1 << 30}, {2, 0}}; !slices.Equal(set.Request.Settings, want) {
		t.Errorf("settings %v, want %v", set.Request.Settings, want)
	}
	p = New(DefaultConfig())
	r.Fields[1].Value = []byte("$")
	p.Inherit(r, 1)
	if tx := p.Txs()[1].(*Tx); !slices.Contains(tx.Events, "http2.invalid_http1_settings") {
		t.Errorf("settings that are no base64: events %v", tx.Events)
	}
}
