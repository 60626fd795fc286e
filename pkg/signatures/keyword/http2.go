package keyword

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

func h2(dir app.Direction, step uint8, get func(x *Context, t *http2.Tx) []byte) []Source {
	return []Source{{Proto: app.HTTP2, Dir: dir, Progress: step, Get: single(get)}}
}

func h2Both(step uint8, get func(x *Context, m *http2.Message) []byte) []Source {
	return append(h2(app.ToServer, step, func(x *Context, t *http2.Tx) []byte { return get(x, &t.Request) }),
		h2(app.ToClient, step, func(x *Context, t *http2.Tx) []byte { return get(x, &t.Response) })...)
}

// The sources of HTTP/2 of the buffers that both versions of the protocol have.
var (
	http2URI      = h2(app.ToServer, http2.Headers, func(_ *Context, t *http2.Tx) []byte { return orNil(t.URI) })
	http2Method   = h2(app.ToServer, http2.Headers, func(_ *Context, t *http2.Tx) []byte { return orNil(t.Method) })
	http2Status   = h2(app.ToClient, http2.Headers, func(_ *Context, t *http2.Tx) []byte { return orNil(t.Status) })
	http2Host     = h2(app.ToServer, http2.Headers, func(_ *Context, t *http2.Tx) []byte { return orNil(t.Host) })
	http2RawHost  = h2(app.ToServer, http2.Headers, func(_ *Context, t *http2.Tx) []byte { return orNil(t.RawHost) })
	http2Protocol = h2Both(http2.Headers, func(_ *Context, m *http2.Message) []byte {
		if len(m.Headers) == 0 {
			return nil
		}
		return []byte("HTTP/2")
	})
	http2RequestLine = h2(app.ToServer, http2.Headers, func(x *Context, t *http2.Tx) []byte {
		if len(t.Method) == 0 {
			return nil
		}
		return x.build(func(b []byte) []byte {
			return append(append(append(append(b, t.Method...), ' '), t.RawURI...), " HTTP/2\r\n"...)
		})
	})
	http2ResponseLine = h2(app.ToClient, http2.Headers, func(x *Context, t *http2.Tx) []byte {
		if len(t.Status) == 0 {
			return nil
		}
		return x.build(func(b []byte) []byte { return append(append(append(b, "HTTP/2 "...), t.Status...), "\r\n"...) })
	})
	http2Header = h2Both(http2.Headers, func(x *Context, m *http2.Message) []byte {
		return x.build(func(b []byte) []byte {
			for _, h := range m.Headers {
				b = append(append(append(append(b, h.Name...), ": "...), h.Value...), "\r\n"...)
			}
			return b
		})
	})
	http2HeaderNames = h2Both(http2.Headers, func(x *Context, m *http2.Message) []byte {
		if len(m.Headers) == 0 {
			return nil
		}
		return x.build(func(b []byte) []byte {
			b = append(b, "\r\n"...)
			for _, h := range m.Headers {
				b = append(append(b, h.Name...), "\r\n"...)
			}
			return append(b, "\r\n"...)
		})
	})
	http2Start = h2Both(http2.Headers, func(x *Context, m *http2.Message) []byte {
		return x.build(func(b []byte) []byte {
			for _, h := range m.Headers {
				b = append(append(append(append(b, h.Name...), ": "...), h.Value...), "\r\n"...)
			}
			if len(m.Headers) > 0 {
				b = append(b, "\r\n"...)
			}
			return b
		})
	})
	http2Cookie = append(http2Field(app.ToServer, "cookie"), http2Field(app.ToClient, "set-cookie")...)
)

// http2Field is the source of a field's value; names are lower case on the wire (RFC 9113 §8.2.1).
func http2Field(dir app.Direction, name string) []Source {
	return h2(dir, http2.Headers, func(x *Context, t *http2.Tx) []byte {
		var out []byte
		for _, h := range t.Of(dir).Headers {
			if !bytes.EqualFold(h.Name, []byte(name)) {
				continue
			}
			if out == nil {
				out = h.Value[:len(h.Value):len(h.Value)]
			} else {
				out = append(append(out, ", "...), h.Value...)
			}
		}
		return out
	})
}

// body2 is the source of a body of HTTP/2.
func body2(dir app.Direction) Source {
	return Source{Proto: app.HTTP2, Dir: dir, Progress: http2.Body, Final: http2.Trailer, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(*http2.Tx)
		if !ok || i > 0 {
			return Bytes{}, false
		}
		m := t.Of(dir)
		if len(m.Body) == 0 {
			return Bytes{}, false
		}
		done := m.Done || m.BodySize > uint64(len(m.Body)) || t.Complete[dir] || t.Progress[dir] >= http2.Trailer
		return Bytes{Data: m.Body, More: !done, Wait: !done && !x.Inline && len(m.Body) < minInspect[dir]}, true
	}}
}

func http2EachHeader(dir app.Direction) []Source {
	return []Source{{Proto: app.HTTP2, Dir: dir, Progress: http2.Headers, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(*http2.Tx)
		if !ok || i >= len(t.Of(dir).Headers) {
			return Bytes{}, false
		}
		h := t.Of(dir).Headers[i]
		return Bytes{Data: x.build(func(b []byte) []byte { return append(append(append(b, h.Name...), ": "...), h.Value...) })}, true
	}}}
}

// h2Values makes the sources of a number of which a direction may have several.
func h2Values(get func(m *http2.Message, i int) (uint64, bool)) []valueSource {
	of := func(dir app.Direction) valueSource {
		return valueSource{app.HTTP2, dir, http2.Started, func(tx app.Tx, i int) (uint64, bool) {
			t, ok := tx.(*http2.Tx)
			if !ok {
				return 0, false
			}
			return get(t.Of(dir), i)
		}}
	}
	return []valueSource{of(app.ToServer), of(app.ToClient)}
}

// Settings of RFC 9113 §6.5.2 and RFC 8441 §3.
var h2SettingNames = map[string]uint16{"settings_header_table_size": 1, "settings_enable_push": 2, "settings_max_concurrent_streams": 3,
	"settings_initial_window_size": 4, "settings_max_frame_size": 5, "settings_max_header_list_size": 6, "settings_enable_connect_protocol": 8}

var h2Settings = Keyword{
	Name: "http2.settings", Family: FamilyPacket, Arg: "NAME[<|>|=N]", Doc: "a parameter of SETTINGS",
	setup: func(c *compiler, o *syntax.Option) error {
		name, arg := o.Value, ""
		if i := strings.IndexAny(o.Value, "<>=! "); i >= 0 {
			name, arg = o.Value[:i], strings.TrimSpace(o.Value[i:])
		}
		id, ok := h2SettingNames[strings.ToLower(name)]
		if !ok {
			return fmt.Errorf("%q is not the name of a setting", name)
		}
		holds := func(uint64) bool { return true }
		if arg != "" {
			t, err := parseCompare(arg, 1<<32-1, nil)
			if err != nil {
				return err
			}
			holds = t.holds
		}
		return c.values("http2.settings:"+strconv.Itoa(int(id)), h2Values(func(m *http2.Message, i int) (uint64, bool) {
			for _, s := range m.Settings {
				if s.ID != id {
					continue
				}
				if i == 0 {
					return uint64(s.Value), true
				}
				i--
			}
			return 0, false
		}), holds)
	},
}

var h2FrameTypes = map[string]uint64{"data": 0, "headers": 1, "priority": 2, "rststream": 3, "rst_stream": 3, "settings": 4, "pushpromise": 5, "push_promise": 5,
	"ping": 6, "goaway": 7, "windowupdate": 8, "window_update": 8, "continuation": 9}

var h2Errors = map[string]uint64{"no_error": 0, "protocol_error": 1, "internal_error": 2, "flow_control_error": 3, "settings_timeout": 4, "stream_closed": 5,
	"frame_size_error": 6, "refused_stream": 7, "cancel": 8, "compression_error": 9, "connect_error": 10, "enhance_your_calm": 11,
	"inadequate_security": 12, "http_1_1_required": 13}

var (
	h2FrameType = txField("http2.frametype", "type of a frame of the stream", 255, h2FrameTypes, h2Values(func(m *http2.Message, i int) (uint64, bool) {
		if i >= len(m.Frames) {
			return 0, false
		}
		return uint64(m.Frames[i].Type), true
	}))
	h2ErrorCode = txField("http2.errorcode", "error code of RST_STREAM or GOAWAY", 1<<32-1, h2Errors, h2Values(func(m *http2.Message, i int) (uint64, bool) {
		return uint64(m.ErrorCode), i == 0 && m.HasError
	}))
	h2Priority = txField("http2.priority", "weight in PRIORITY or HEADERS", 255, nil, []valueSource{h2PriorityOf(app.ToServer), h2PriorityOf(app.ToClient)})
	h2Window   = txField("http2.window", "increment of WINDOW_UPDATE", 1<<31-1, nil, h2Values(func(m *http2.Message, i int) (uint64, bool) {
		if i >= len(m.WindowUpdates) {
			return 0, false
		}
		return uint64(m.WindowUpdates[i]), true
	}))
	h2SizeUpdate = txField("http2.size_update", "dynamic table size update", 1<<32-1, nil, h2Values(func(m *http2.Message, i int) (uint64, bool) {
		if i >= len(m.SizeUpdates) {
			return 0, false
		}
		return m.SizeUpdates[i], true
	}))
)

func h2PriorityOf(dir app.Direction) valueSource {
	return valueSource{app.HTTP2, dir, http2.Started, func(tx app.Tx, i int) (uint64, bool) {
		t, ok := tx.(*http2.Tx)
		if !ok || i > 0 || !t.HasPriority {
			return 0, false
		}
		return uint64(t.Priority), true
	}}
}

var h2HeaderName = &Buffer{Name: "http2.header_name", Multi: true, Sources: []Source{h2HeaderNames(app.ToServer), h2HeaderNames(app.ToClient)}}

func h2HeaderNames(dir app.Direction) Source {
	return Source{Proto: app.HTTP2, Dir: dir, Progress: http2.Headers, Get: func(_ *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(*http2.Tx)
		if !ok || i >= len(t.Of(dir).Headers) {
			return Bytes{}, false
		}
		return Bytes{Data: t.Of(dir).Headers[i].Name}, true
	}}
}
