package event

import (
	"bytes"
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/http2"
)

// http2Selected leaves out streams of which there is nothing to say: pings, window updates.
func http2Selected(t *http2.Tx) bool {
	for _, m := range [...]*http2.Message{&t.Request, &t.Response} {
		if len(m.Headers) > 0 || len(m.SizeUpdates) > 0 || len(m.Settings) > 0 || m.HasError {
			return true
		}
	}
	return t.HasPriority
}

// http2 writes the members of "http" for a stream of HTTP/2.
func (e *encoder) http2(t *http2.Tx) {
	if len(t.Request.Headers) > 0 || len(t.Request.SizeUpdates) > 0 {
		e.headers2("request_headers", &t.Request)
	}
	if len(t.Response.Headers) > 0 || len(t.Response.SizeUpdates) > 0 {
		e.headers2("response_headers", &t.Response)
	}
	e.str("version", "2")
	e.textIf("hostname", t.RawHost)
	e.textIf("http_method", t.Method)
	e.textIf("url", t.RawURI)
	if v, ok := field(&t.Request, "user-agent"); ok {
		e.text("http_user_agent", v)
	}
	if v, ok := field(&t.Response, "content-type"); ok {
		e.text("http_content_type", v)
	}
	if v, ok := field(&t.Request, "referer"); ok {
		e.text("http_refer", v)
	}
	if n, err := strconv.ParseUint(string(t.Status), 10, 16); err == nil {
		e.num("status", n)
	}
	e.num("length", t.Response.BodySize)
	e.open("http2")
	e.num("stream_id", uint64(t.StreamID))
	mark := e.mark()
	e.open("request")
	e.side2(&t.Request)
	if t.HasPriority {
		e.num("priority", uint64(t.Priority))
	}
	e.closeOrDrop(mark, '}')
	mark = e.mark()
	e.open("response")
	e.side2(&t.Response)
	e.closeOrDrop(mark, '}')
	e.close()
}

// field returns the value of the first field of this name, which is lower case.
func field(m *http2.Message, name string) ([]byte, bool) {
	for i := range m.Headers {
		if bytes.EqualFold(m.Headers[i].Name, []byte(name)) {
			return m.Headers[i].Value, true
		}
	}
	return nil, false
}

// headers2 writes the fields in order, after the changes of the compression table's size.
func (e *encoder) headers2(name string, m *http2.Message) {
	e.list(name)
	for _, n := range m.SizeUpdates {
		e.item()
		e.num("table_size_update", n)
		e.close()
	}
	for i := range m.Headers {
		e.item()
		e.text("name", m.Headers[i].Name)
		e.text("value", m.Headers[i].Value)
		e.close()
	}
	e.end()
}

// side2 writes what a direction's frames said beside headers and data.
func (e *encoder) side2(m *http2.Message) {
	if len(m.Settings) > 0 {
		e.list("settings")
		for _, s := range m.Settings {
			e.item()
			e.str("settings_id", settingName(s.ID))
			e.num("settings_value", uint64(s.Value))
			e.close()
		}
		e.end()
	}
	if m.HasError {
		e.str("error_code", errorName(m.ErrorCode))
	}
}

func settingName(id uint16) string {
	names := [...]string{1: "SETTINGSHEADERTABLESIZE", 2: "SETTINGSENABLEPUSH", 3: "SETTINGSMAXCONCURRENTSTREAMS",
		4: "SETTINGSINITIALWINDOWSIZE", 5: "SETTINGSMAXFRAMESIZE", 6: "SETTINGSMAXHEADERLISTSIZE"}
	if int(id) < len(names) && names[id] != "" {
		return names[id]
	}
	return "SETTINGSUNKNOWN(" + strconv.Itoa(int(id)) + ")"
}

func errorName(code uint32) string {
	names := [...]string{"NOERROR", "PROTOCOLERROR", "INTERNALERROR", "FLOWCONTROLERROR", "SETTINGSTIMEOUT", "STREAMCLOSED",
		"FRAMESIZEERROR", "REFUSEDSTREAM", "CANCEL", "COMPRESSIONERROR", "CONNECTERROR", "ENHANCEYOURCALM", "INADEQUATESECURITY",
		"HTTP11REQUIRED"}
	if int(code) < len(names) {
		return names[code]
	}
	return strconv.FormatUint(uint64(code), 10)
}
