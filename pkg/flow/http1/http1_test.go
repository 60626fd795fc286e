package http1

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

func run(t *testing.T, says ...apptest.Say) []*Tx {
	t.Helper()
	p := New(DefaultConfig())
	apptest.Feed(t, p, says...)
	return txs(p)
}

func txs(p *Parser) []*Tx {
	var list []*Tx
	for _, t := range p.Txs() {
		list = append(list, t.(*Tx))
	}
	return list
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestRequestLine(t *testing.T) {
	for _, c := range []struct{ line, method, raw, uri, protocol, event string }{
		{"GET /a HTTP/1.1", "GET", "/a", "/a", "HTTP/1.1", ""},
		{"GET  /a\tb  HTTP/1.0", "GET", "/a\tb", "/a\tb", "HTTP/1.0", "http.uri_delim_non_compliant"},
		{"GET /uri with space HTTP/1.1", "GET", "/uri with space", "/uri with space", "HTTP/1.1", ""},
		{" GET / HTTP/1.1", "GET", "/", "/", "HTTP/1.1", "http.request_line_leading_whitespace"},
		{"GET\t/ HTTP/1.1", "GET", "/", "/", "HTTP/1.1", "http.method_delim_non_compliant"},
		{"GET /a%2fb//c/./d/../e?x=%41+1#f HTTP/1.1", "GET", "/a%2fb//c/./d/../e?x=%41+1#f", "/a/b/c/e?x=A+1#f", "HTTP/1.1", ""},
		{`GET /a\b%u0041%uff0f%zz HTTP/1.1`, "GET", `/a\b%u0041%uff0f%zz`, "/a/bA/%zz", "HTTP/1.1", ""},
		{"GET /%2527 HTTP/1.1", "GET", "/%2527", "/%27", "HTTP/1.1", "http.double_encoded_uri"},
		{"GET /.. HTTP/1.1", "GET", "/..", "/", "HTTP/1.1", ""},
		{"GET http://U@Example.ORG:8080/p HTTP/1.1", "GET", "http://U@Example.ORG:8080/p", "/p", "HTTP/1.1", ""},
		{"GET / HTTP/9.9", "GET", "/", "/", "HTTP/9.9", "http.request_line_invalid"},
		{"GET /x", "GET", "/x", "/x", "", "http.request_line_missing_protocol"},
	} {
		r := run(t, apptest.C(c.line+"\r\nHost: h\r\n\r\n"))[0]
		got := fmt.Sprintf("%s|%s|%s|%s", r.Request.Method, r.Request.RawURI, r.Request.URI, r.Request.Protocol)
		if want := fmt.Sprintf("%s|%s|%s|%s", c.method, c.raw, c.uri, c.protocol); got != want {
			t.Errorf("%q: got %s, want %s", c.line, got, want)
		}
		if c.event != "" && !slices.Contains(r.Events, c.event) {
			t.Errorf("%q: events %v, want %s among them", c.line, r.Events, c.event)
		}
	}
}

func TestHost(t *testing.T) {
	for _, c := range []struct {
		request, host, raw string
		port               int
		event              string
	}{
		{"GET / HTTP/1.1\r\nHost: ExAmple.org:80\r\n\r\n", "example.org", "ExAmple.org:80", 80, ""},
		{"GET http://A.b/ HTTP/1.1\r\nHost: other\r\n\r\n", "a.b", "A.b", -1, "http.host_header_ambiguous"},
		{"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "[::1]", "[::1]:8080", 8080, ""},
		{"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "a", "a:b", -1, "http.request_header_host_invalid"},
		{"GET / HTTP/1.1\r\n\r\n", "", "", -1, "http.missing_host_header"},
		{"CONNECT up.example:443 HTTP/1.1\r\n\r\n", "up.example", "up.example:443", 443, ""},
	} {
		r := run(t, apptest.C(c.request))[0]
		if string(r.Request.Host) != c.host || string(r.Request.RawHost) != c.raw || r.Request.Port != c.port {
			t.Errorf("%q: host %q raw %q port %d, want %q %q %d", c.request, r.Request.Host, r.Request.RawHost, r.Request.Port, c.host, c.raw, c.port)
		}
		if c.event != "" && !slices.Contains(r.Events, c.event) {
			t.Errorf("%q: events %v, want %s", c.request, r.Events, c.event)
		}
	}
}

// Bodies as evaders send them and browsers read them: whatever stands in the way, the body must come out.
func TestResponseBody(t *testing.T) {
	const body = "the body that is looked for"
	chunks := "9\r\nthe body \r\n12\r\nthat is looked for\r\n0\r\n\r\n"
	for name, response := range map[string]string{
		"length":                  "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n" + body,
		"no headers at all":       body,
		"until close":             "HTTP/1.1 200 OK\r\n\r\n" + body,
		"lf only":                 "HTTP/1.1 200 OK\nContent-Length: 27\n\n" + body,
		"chunked":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"chunked in http/1.0":     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"chunked among others":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"chunked wins":            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"chunk extensions":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b; x=y\r\n" + body + "\r\n0\r\n\r\n",
		"chunk size after spaces": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n \r\n  1b junk\r\n" + body + "\r\n0\r\n\r\n",
		"no chunks after all":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
		"length lies":             "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body,
		"length with junk":        "HTTP/1.1 200 OK\r\nContent-Length: x27y\r\n\r\n" + body,
		"gzip":                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(body),
		"gzip named deflate":      "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + gzipped(body),
		"gzip with zero byte":     "HTTP/1.1 200 OK\r\nContent\x00-Encoding: gz\x00ip\r\n\r\n" + gzipped(body),
		"gzip twice":              "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n" + gzipped(gzipped(body)),
		"not gzip":                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body,
		"folded field":            "HTTP/1.1 200 OK\r\nContent-Encoding:\r\n gzip\r\n\r\n" + gzipped(body),
		"field after a space":     "HTTP/1.1 200 OK\r\nX: y\r\n Content-Encoding: gzip\r\n\r\n" + gzipped(body),
		"line ends mixed":         "HTTP/1.1 200 OK\rContent-Encoding: gzip\n\r\r\n\r\n" + gzipped(body),
		"blank line ends":         "HTTP/1.1 200 OK\nX: y\n \n" + body,
		"continue first":          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + body,
		"junk before the status":  "junk\r\nHTTP/1.1 200 OK\r\n\r\n" + body,
		"lower case":              "http/1.1 200 ok\r\ncontent-length: 27\r\n\r\n" + body,
	} {
		r := run(t, apptest.C(get), apptest.S(response))[0]
		if !bytes.Contains(r.Response.Body.Data, []byte(body)) {
			t.Errorf("%s: body is %q", name, r.Response.Body.Data)
		}
		if len(r.Files) != 1 || r.Files[0].State != app.FileClosed {
			t.Errorf("%s: files %+v, want one that is closed", name, r.Files)
		}
		for _, n := range []int{1, 3, 100} {
			p := New(DefaultConfig())
			apptest.Pieces(t, p, n, apptest.C(get), apptest.S(response))
			if name != "length lies" && !bytes.Contains(txs(p)[0].Response.Body.Data, []byte(body)) {
				t.Errorf("%s in pieces of %d: body is %q", name, n, txs(p)[0].Response.Body.Data)
			}
		}
	}
}

func TestPipelining(t *testing.T) {
	list := run(t,
		apptest.C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyzHEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n"),
		apptest.S("HTTP/1.1 200 one\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 201 two\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 three\r\nContent-Length: 99\r\n\r\n"))
	if len(list) != 3 {
		t.Fatalf("%d transactions, want 3", len(list))
	}
	for i, want := range []string{"one", "two", "three"} {
		if string(list[i].Response.Reason) != want || list[i].Progress != [2]uint8{Complete, Complete} {
			t.Errorf("answer %d is %q, progress %v; want %q, complete", i, list[i].Response.Reason, list[i].Progress, want)
		}
	}
	if string(list[1].Request.Body.Data) != "xyz" {
		t.Errorf("request body %q, want xyz", list[1].Request.Body.Data)
	}
}

func TestBuffers(t *testing.T) {
	m := &run(t, apptest.C("GET / HTTP/1.1\r\nHost:a\r\nX: 1\r\nCookie: c\r\nx:  2\r\n\r\n"))[0].Request.Message
	for name, c := range map[string]struct{ got, want string }{
		"header":       {string(m.AppendHeader(nil)), "Host: a\r\nX: 1, 2\r\n"},
		"header.raw":   {string(m.Raw), "Host:a\r\nX: 1\r\nCookie: c\r\nx:  2\r\n\r\n"},
		"header_names": {string(m.AppendHeaderNames(nil)), "\r\nHost\r\nX\r\nCookie\r\n\r\n"},
		"start":        {string(m.AppendStart(nil)), "GET / HTTP/1.1\r\nHost:a\r\nX: 1\r\nCookie: c\r\nx:  2\r\n\r\n"},
		"joined":       {string(m.Joined("x")), "1, 2"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", name, c.got, c.want)
		}
	}
	if h, ok := m.AppendEach(nil, 1); !ok || string(h) != "X: 1, 2" {
		t.Errorf("second header is %q", h)
	}
}

func TestUpload(t *testing.T) {
	body := "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--B\r\n" +
		"Content-Disposition: form-data; name=\"f\"; filename=\"e;v\\\"il.exe\"\r\n\r\nMZ\r\n--Bogus\r\n--B--\r\nepilogue"
	request := fmt.Sprintf("POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=\"B\"\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for _, n := range []int{1, 5, 1 << 20} {
		p := New(DefaultConfig())
		apptest.Pieces(t, p, n, apptest.C(request))
		files := txs(p)[0].Files
		if len(files) != 1 {
			t.Fatalf("pieces of %d: %d files, want 1", n, len(files))
		}
		if f := files[0]; string(f.Name) != `e;v"il.exe` || f.State != app.FileClosed || !strings.HasPrefix(string(f.Data), "MZ") {
			t.Errorf("pieces of %d: file %q %v %q", n, f.Name, f.State, f.Data)
		}
	}
}

func TestBodyLimitAndBomb(t *testing.T) {
	c := DefaultConfig()
	c.ResponseBodyLimit = 1000
	p := New(c)
	apptest.Feed(t, p, apptest.C(get), apptest.S("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+gzipped(strings.Repeat("x", 5<<20))))
	b := txs(p)[0].Response.Body
	if len(b.Data) != 1000 || !b.Limited || txs(p)[0].Files[0].State != app.FileTruncated {
		t.Errorf("kept %d bytes, limited %v, file %v; want 1000, limited, truncated", len(b.Data), b.Limited, txs(p)[0].Files[0].State)
	}
	c.ResponseBodyLimit, c.DecompressLayers = 0, 3
	p = New(c)
	bomb := gzipped(gzipped(strings.Repeat("\x00", 64<<20)))
	apptest.Feed(t, p, apptest.C(get), apptest.S("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n"+bomb))
	if got := txs(p)[0]; got.Response.Body.Size > 8<<20 || !slices.Contains(got.Events, "http.compression_bomb") {
		t.Errorf("%d bytes came out of a bomb of %d, events %v", got.Response.Body.Size, len(bomb), got.Events)
	}
}

func TestGaps(t *testing.T) {
	p := New(DefaultConfig())
	feed := func(dir app.Direction, s string) { p.Feed(dir, []byte(s), 1) }
	feed(app.ToServer, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	feed(app.ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	p.Gap(app.ToClient, 4)
	feed(app.ToClient, "xyzHTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n")
	list := txs(p)
	if f := list[0].Files[0]; f.State != app.FileTruncated || !f.Gaps || f.Size != 10 {
		t.Errorf("file %+v, want truncated, with gaps, of 10 bytes", f)
	}
	if list[1].Response.StatusCode != 404 {
		t.Errorf("the answer after the gap has status %d, want 404", list[1].Response.StatusCode)
	}
}

// TestAGapInARequestLine: what is left of the line still tells most of it.
func TestAGapInARequestLine(t *testing.T) {
	p := New(DefaultConfig())
	p.Feed(app.ToServer, []byte("GET /malic"), 1)
	p.Gap(app.ToServer, 1)
	p.Feed(app.ToServer, []byte("ious HTTP/1.1\r\nHost: a\r\n\r\n"), 1)
	if list := txs(p); len(list) != 1 || string(list[0].Request.URI) != "/malicious" || !list[0].Complete[app.ToServer] {
		t.Errorf("%d requests, the first for %q", len(list), list[0].Request.URI)
	}
}

func TestUpgrade(t *testing.T) {
	p := New(DefaultConfig())
	p.Feed(app.ToServer, []byte("CONNECT a:443 HTTP/1.1\r\n\r\n"), 1)
	if _, _, ok := p.Upgrade(); ok {
		t.Error("upgraded before the answer")
	}
	p.Feed(app.ToClient, []byte("HTTP/1.1 200 OK\r\n\r\nserver first"), 1)
	if next, rest, ok := p.Upgrade(); !ok || next != app.Unknown || string(rest) != "server first" {
		t.Errorf("CONNECT: next %v rest %q ok %v", next, rest, ok)
	}
	p = New(DefaultConfig())
	p.Feed(app.ToServer, []byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"), 1)
	p.Feed(app.ToClient, []byte("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"), 1)
	if next, _, ok := p.Upgrade(); !ok || next != app.HTTP2 {
		t.Errorf("h2c: next %v ok %v", next, ok)
	}
}

func TestOneSided(t *testing.T) {
	r := run(t, apptest.S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))[0]
	if string(r.Request.URI) != unseenURI || !r.OneWay || string(r.Response.Body.Data) != "hi" {
		t.Errorf("response alone: uri %q, one way %v, body %q", r.Request.URI, r.OneWay, r.Response.Body.Data)
	}
	if r = run(t, apptest.C(get))[0]; r.Complete != [2]bool{true, true} || r.Progress[app.ToClient] != 0 {
		t.Errorf("request alone: complete %v progress %v", r.Complete, r.Progress)
	}
}

func TestLimits(t *testing.T) {
	c := DefaultConfig()
	for name, request := range map[string]string{
		"long line":     "GET /" + strings.Repeat("a", c.HardFieldLimit+1) + " HTTP/1.1\r\n\r\n",
		"many headers":  "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", c.MaxHeaders+1) + "\r\n",
		"many requests": strings.Repeat(get, c.MaxTx+1),
		"chunk size":    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	} {
		if err := New(c).Feed(app.ToServer, []byte(request), 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		dir  app.Direction
		data string
		want app.Match
	}{
		{app.ToServer, "GET / HTTP/1.1\r\n", app.Yes}, {app.ToServer, "GE", app.More}, {app.ToServer, "GIT", app.No},
		{app.ToServer, "PRI * HTTP/2.0", app.No}, {app.ToServer, "\x16\x03\x01", app.No}, {app.ToServer, "\r\nPOST /", app.Yes},
		{app.ToClient, "HTTP/1.1 200", app.Yes}, {app.ToClient, "HTT", app.More}, {app.ToClient, "GET / ", app.No},
	} {
		if got := Probe(c.dir, []byte(c.data), 0, 0); got != c.want {
			t.Errorf("direction %d %q: %d, want %d", c.dir, c.data, got, c.want)
		}
	}
}

// TestRanges holds that the pieces of a file come together over connections, and that those of a coded file do not.
func TestRanges(t *testing.T) {
	for head, want := range map[string]string{"": "abcdef", "Content-Encoding: identity\r\n": ""} {
		c := DefaultConfig()
		c.Files.Ranges = app.NewRanges()
		joined := ""
		for _, piece := range []string{"3-5/6 def", "0-2/6 abc"} {
			span, data, _ := strings.Cut(piece, " ")
			p := New(c)
			apptest.Feed(t, p, apptest.C("GET /f?x HTTP/1.1\r\nHost: a\r\n\r\n"),
				apptest.S("HTTP/1.1 206 Partial\r\n"+head+"Content-Length: 3\r\nContent-Range: bytes "+span+"\r\n\r\n"+data))
			for _, f := range p.Txs()[0].Base().Files[1:] {
				joined += string(f.Data)
			}
		}
		if joined != want {
			t.Errorf("%q: joined %q, want %q", head, joined, want)
		}
	}
	if tx := run(t, apptest.C(get), apptest.S("HTTP/1.1 206 Partial\r\nContent-Length: 3\r\nContent-Range: bytes 5-2/6\r\n\r\nabc"))[0]; !slices.Contains(tx.Events, "http.range_invalid") {
		t.Errorf("a range that ends before it begins: events %v", tx.Events)
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(apptest.C(get), apptest.S("HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/6\r\nContent-Length: 3\r\n\r\nabc"), apptest.C(get),
		apptest.S("HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\n\r\ndef")))
	f.Add(apptest.Encode(apptest.C(get), apptest.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")))
	f.Add(apptest.Encode(apptest.C(get+get), apptest.S("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n"+gzipped("hello hello"))))
	f.Add(apptest.Encode(apptest.C("POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 70\r\n\r\n--B\r\nContent-Disposition: form-data; filename=x\r\n\r\ndata\r\n--B--")))
	f.Add(apptest.Encode(apptest.C("CONNECT a HTTP/1.1\r\n\r\n"), apptest.S("HTTP/1.1 200 OK\r\n\r\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := DefaultConfig()
		c.MaxTx, c.RequestBodyLimit, c.ResponseBodyLimit, c.Files.Ranges = 8, 1000, 1000, app.NewRanges()
		apptest.Drive(t, New(c), data)
	})
}
