package event

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/signatures"
)

// http writes the members of "http".
func (e *encoder) http(opt *HTTPOptions, alert *AlertOptions, t *http1.Tx, inAlert bool) {
	req, res := &t.Request, &t.Response
	e.textIf("hostname", req.Host)
	if req.Port > 0 {
		e.num("http_port", uint64(req.Port))
	}
	e.textIf("url", req.RawURI)
	if v, ok := req.Get("user-agent"); ok {
		e.text("http_user_agent", v)
	}
	if v, ok := req.Get("x-forwarded-for"); ok {
		e.text("xff", v)
	}
	if v, ok := res.Get("content-type"); ok {
		if i := bytes.IndexByte(v, ';'); i >= 0 {
			v = v[:i]
		}
		e.text("http_content_type", v)
	}
	if v, ok := res.Get("content-range"); ok {
		e.contentRange(v)
	}
	if opt.Extended || inAlert {
		e.httpExtended(t)
	}
	e.headers("request_headers", req.Headers, opt.DumpRequest, opt.Custom)
	e.headers("response_headers", res.Headers, opt.DumpResponse, opt.Custom)
	if inAlert {
		e.bodies(alert, t)
	}
}

func (e *encoder) httpExtended(t *http1.Tx) {
	req, res := &t.Request, &t.Response
	if v, ok := req.Get("referer"); ok {
		e.text("http_refer", v)
	}
	e.textIf("http_method", req.Method)
	e.textIf("protocol", req.Protocol)
	switch {
	case res.StatusCode > 0:
		e.num("status", uint64(res.StatusCode))
	case len(res.Status) > 0:
		e.text("status_string", res.Status)
	}
	if v, ok := res.Get("location"); ok && res.StatusCode > 300 && res.StatusCode < 304 {
		e.text("redirect", v)
	}
	e.num("length", res.Body.Wire)
}

// contentRange writes {"raw": …, "start", "end", "size"} of "bytes 0-99/200".
func (e *encoder) contentRange(v []byte) {
	e.open("content_range")
	e.text("raw", v)
	if rest, ok := bytes.CutPrefix(v, []byte("bytes ")); ok {
		span, size, _ := bytes.Cut(rest, []byte("/"))
		first, last, _ := bytes.Cut(span, []byte("-"))
		for _, f := range [...]struct {
			name string
			text []byte
		}{{"start", first}, {"end", last}, {"size", size}} {
			if n, err := strconv.ParseUint(string(bytes.TrimSpace(f.text)), 10, 63); err == nil {
				e.num(f.name, n)
			}
		}
	}
	e.close()
}

// headers writes all fields, or those that the output names.
func (e *encoder) headers(name string, headers []http1.Header, all bool, named []string) {
	if !all && len(named) == 0 {
		return
	}
	mark := e.mark()
	e.list(name)
	for i := range headers {
		h := &headers[i]
		if !all && !slices.ContainsFunc(named, func(n string) bool { return bytes.EqualFold([]byte(n), h.Name) }) {
			continue
		}
		e.item()
		e.text("name", h.Name)
		e.text("value", h.Value)
		e.close()
	}
	e.closeOrDrop(mark, ']')
}

// bodies writes the start of the bodies, when the output asks for them.
func (e *encoder) bodies(opt *AlertOptions, t *http1.Tx) {
	for _, m := range [...]struct {
		side string
		data []byte
	}{{"request", t.Request.Body.Data}, {"response", t.Response.Body.Data}} {
		data := m.data
		if len(data) == 0 {
			continue
		}
		if opt.PayloadLimit > 0 && len(data) > opt.PayloadLimit {
			data = data[:opt.PayloadLimit]
		}
		if opt.HTTPPrintable {
			e.printable("http_"+m.side+"_body_printable", data)
		}
		if opt.HTTPBody {
			e.base64("http_"+m.side+"_body", data)
		}
	}
}

// forwarded returns the client's address that a proxy wrote into the request, or nil.
func forwarded(x *XFF, f *flow.Flow, h *signatures.Hit) []byte {
	if !x.Enabled || f == nil {
		return nil
	}
	if h.Tx != nil {
		return forwardedIn(x, h.Tx)
	}
	if f.Parser == nil {
		return nil
	}
	for _, tx := range f.Parser.Txs() {
		if v := forwardedIn(x, tx); v != nil {
			return v
		}
	}
	return nil
}

func forwardedIn(x *XFF, tx app.Tx) []byte {
	t, ok := tx.(*http1.Tx)
	if !ok {
		return nil
	}
	v, ok := t.Request.Get(x.Header)
	if !ok {
		return nil
	}
	i := bytes.IndexByte(v, ',')
	if !x.Forward {
		i = bytes.LastIndexByte(v, ',')
	}
	switch {
	case i >= 0 && x.Forward:
		v = v[:i]
	case i >= 0:
		v = v[i+1:]
	}
	return bytes.TrimSpace(v)
}
