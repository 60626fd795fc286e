package keyword

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http1"
)

type (
	reqGet  func(x *Context, r *http1.Request) []byte
	respGet func(x *Context, r *http1.Response) []byte
	msgGet  func(x *Context, m *http1.Message, dir app.Direction) []byte
)

// single makes the getter of a buffer that a transaction has once; nil bytes are no buffer.
func single[T app.Tx](get func(x *Context, tx T) []byte) func(*Context, app.Tx, int) (Bytes, bool) {
	return func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(T)
		if !ok || i > 0 {
			return Bytes{}, false
		}
		b := get(x, t)
		return Bytes{Data: b}, b != nil
	}
}

func request(step uint8, get reqGet) Source {
	return Source{Proto: app.HTTP1, Dir: app.ToServer, Progress: step,
		Get: single(func(x *Context, t *http1.Tx) []byte { return get(x, &t.Request) })}
}

func response(step uint8, get respGet) Source {
	return Source{Proto: app.HTTP1, Dir: app.ToClient, Progress: step,
		Get: single(func(x *Context, t *http1.Tx) []byte { return get(x, &t.Response) })}
}

// both makes the two sources of a buffer that requests and responses have.
func both(step uint8, get msgGet) []Source {
	return []Source{
		request(step, func(x *Context, r *http1.Request) []byte { return get(x, &r.Message, app.ToServer) }),
		response(step, func(x *Context, r *http1.Response) []byte { return get(x, &r.Message, app.ToClient) }),
	}
}

// field returns the value of a header field by its lower-case name.
func field(name string) msgGet {
	return func(x *Context, m *http1.Message, _ app.Direction) []byte {
		if v, ok := m.Get(name); !ok {
			return nil
		} else if len(v) == 0 {
			return []byte{}
		}
		return m.Joined(name)
	}
}

func requestField(name string) Source {
	get := field(name)
	return request(http1.Headers, func(x *Context, r *http1.Request) []byte { return get(x, &r.Message, app.ToServer) })
}

func responseField(name string) Source {
	get := field(name)
	return response(http1.Headers, func(x *Context, r *http1.Response) []byte { return get(x, &r.Message, app.ToClient) })
}

// orNil returns nil for an empty buffer: the message does not have it.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

var (
	httpURI = &Buffer{Name: "http.uri", Sources: append([]Source{request(http1.Line, func(_ *Context, r *http1.Request) []byte { return orNil(r.URI) })}, http2URI...)}

	httpRawURI = &Buffer{Name: "http.uri.raw", Sources: append([]Source{request(http1.Line, func(_ *Context, r *http1.Request) []byte { return orNil(r.RawURI) })}, http2URI...)}

	httpMethod = &Buffer{Name: "http.method", Weak: true, Sources: append([]Source{request(http1.Line, func(_ *Context, r *http1.Request) []byte { return orNil(r.Method) })}, http2Method...)}

	httpProtocol = &Buffer{Name: "http.protocol", Weak: true, Sources: append(both(http1.Line, func(_ *Context, m *http1.Message, _ app.Direction) []byte { return orNil(m.Protocol) }), http2Protocol...)}

	httpRequestLine = &Buffer{Name: "http.request_line", Sources: append([]Source{request(http1.Line, func(_ *Context, r *http1.Request) []byte { return orNil(r.Line) })}, http2RequestLine...)}

	httpResponseLine = &Buffer{Name: "http.response_line", Sources: append([]Source{response(http1.Line, func(_ *Context, r *http1.Response) []byte { return orNil(r.Line) })}, http2ResponseLine...)}

	httpStatCode = &Buffer{Name: "http.stat_code", Weak: true, Sources: append([]Source{response(http1.Line, func(_ *Context, r *http1.Response) []byte { return orNil(r.Status) })}, http2Status...)}

	httpStatMsg = &Buffer{Name: "http.stat_msg", Weak: true, Sources: []Source{response(http1.Line, func(_ *Context, r *http1.Response) []byte { return orNil(r.Reason) })}}

	httpHost = &Buffer{Name: "http.host", Lower: true, Sources: append([]Source{request(http1.Headers, func(_ *Context, r *http1.Request) []byte { return orNil(r.Host) })}, http2Host...)}

	httpRawHost = &Buffer{Name: "http.host.raw", Sources: append([]Source{request(http1.Headers, func(_ *Context, r *http1.Request) []byte { return orNil(r.RawHost) })}, http2RawHost...)}

	httpHeader = &Buffer{Name: "http.header", Sources: append(both(http1.Headers, func(x *Context, m *http1.Message, _ app.Direction) []byte {
		return x.build(m.AppendHeader)
	}), http2Header...)}

	httpRawHeader = &Buffer{Name: "http.header.raw", Sources: append(both(http1.Headers, func(_ *Context, m *http1.Message, _ app.Direction) []byte { return orNil(m.Raw) }), http2Header...)}

	httpHeaderNames = &Buffer{Name: "http.header_names", Sources: append(both(http1.Headers, func(x *Context, m *http1.Message, _ app.Direction) []byte {
		return x.build(m.AppendHeaderNames)
	}), http2HeaderNames...)}

	httpStart = &Buffer{Name: "http.start", Sources: append(both(http1.Headers, func(x *Context, m *http1.Message, _ app.Direction) []byte {
		if len(m.Line) == 0 && len(m.Raw) == 0 {
			return nil
		}
		return x.build(m.AppendStart)
	}), http2Start...)}

	httpCookie = &Buffer{Name: "http.cookie", Sources: append([]Source{requestField("cookie"), responseField("set-cookie")}, http2Cookie...)}

	httpUserAgent = &Buffer{Name: "http.user_agent", Sources: append([]Source{requestField("user-agent")}, http2Field(app.ToServer, "user-agent")...)}

	httpReferer = &Buffer{Name: "http.referer", Sources: append([]Source{requestField("referer")}, http2Field(app.ToServer, "referer")...)}

	httpAccept = &Buffer{Name: "http.accept", Sources: append([]Source{requestField("accept")}, http2Field(app.ToServer, "accept")...)}

	httpAcceptEnc = &Buffer{Name: "http.accept_enc", Sources: append([]Source{requestField("accept-encoding")}, http2Field(app.ToServer, "accept-encoding")...)}

	httpAcceptLang = &Buffer{Name: "http.accept_lang", Sources: append([]Source{requestField("accept-language")}, http2Field(app.ToServer, "accept-language")...)}

	httpServer = &Buffer{Name: "http.server", Sources: append([]Source{responseField("server")}, http2Field(app.ToClient, "server")...)}

	httpLocation = &Buffer{Name: "http.location", Sources: append([]Source{responseField("location")}, http2Field(app.ToClient, "location")...)}

	httpContentType = &Buffer{Name: "http.content_type", Sources: append([]Source{requestField("content-type"), responseField("content-type")},
		append(http2Field(app.ToServer, "content-type"), http2Field(app.ToClient, "content-type")...)...)}

	httpContentLen = &Buffer{Name: "http.content_len", Sources: append([]Source{requestField("content-length"), responseField("content-length")},
		append(http2Field(app.ToServer, "content-length"), http2Field(app.ToClient, "content-length")...)...)}

	httpConnection = &Buffer{Name: "http.connection", Sources: []Source{requestField("connection"), responseField("connection")}}

	httpRequestHeader = &Buffer{Name: "http.request_header", Multi: true, Sources: append([]Source{eachHeader(app.ToServer)}, http2EachHeader(app.ToServer)...)}

	httpResponseHeader = &Buffer{Name: "http.response_header", Multi: true, Sources: append([]Source{eachHeader(app.ToClient)}, http2EachHeader(app.ToClient)...)}

	httpRequestBody = &Buffer{Name: "http.request_body", Sources: []Source{body(app.ToServer), body2(app.ToServer)}}

	httpResponseBody = &Buffer{Name: "http.response_body", Sources: []Source{body(app.ToClient), body2(app.ToClient)}}
)

// build appends to scratch memory of the packet.
func (c *Context) build(appendTo func([]byte) []byte) []byte {
	c.scratch = appendTo(c.scratch[:0])
	if len(c.scratch) == 0 {
		return nil
	}
	return c.keep(c.scratch)
}

func eachHeader(dir app.Direction) Source {
	return Source{Proto: app.HTTP1, Dir: dir, Progress: http1.Headers, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(*http1.Tx)
		if !ok {
			return Bytes{}, false
		}
		x.scratch, ok = t.Of(dir).AppendEach(x.scratch[:0], i)
		if !ok {
			return Bytes{}, false
		}
		return Bytes{Data: x.keep(x.scratch)}, true
	}}
}

// minInspect is how many bytes of a body that is still growing are waited for when inspection is not inline.
var minInspect = [2]int{32 << 10, 40 << 10}

func body(dir app.Direction) Source {
	return Source{Proto: app.HTTP1, Dir: dir, Progress: http1.Body, Final: http1.Trailer, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(*http1.Tx)
		if !ok || i > 0 {
			return Bytes{}, false
		}
		p := &t.Of(dir).Body
		if len(p.Data) == 0 {
			return Bytes{}, false
		}
		done := p.Done || p.Limited || t.Complete[dir] || t.Progress[dir] >= http1.Trailer
		return Bytes{Data: p.Data, More: !done, Wait: !done && !x.Inline && len(p.Data) < minInspect[dir]}, true
	}}
}
