package suricatayaml

// protocolNames are Suricata's names of the protocols that are parsed here.
var protocolNames = []string{"http", "http2", "dns", "tls", "quic", "ssh", "smtp", "ftp", "ftp-data", "smb", "dcerpc"}

// protocols takes over app-layer.protocols.
func (s *Settings) protocols(r *reader) {
	const base = "app-layer.protocols."
	for _, name := range protocolNames {
		n := r.at(base + name)
		if n == nil {
			continue
		}
		if e, ok := r.scalar(base + name + ".enabled"); ok {
			on, known := truth(e.value)
			if !known && e.value != "detection-only" {
				r.fail(e, base+name+".enabled", "%q is not one of yes, no, detection-only", e.value)
			}
			s.Disabled[name] = known && !on
		}
		for _, known := range []string{".detection-ports", ".tcp", ".udp", ".raw-extraction", ".memcap"} {
			if c := r.at(base + name + known); c != nil {
				c.markAll()
			}
		}
	}
	s.http(r, base+"http.libhtp.default-config.")
	r.auto(base+"tls.ja3-fingerprints", &s.TLS.JA3)
	r.auto(base+"tls.ja4-fingerprints", &s.TLS.JA4)
	s.passOver(r)
}

func (s *Settings) http(r *reader, base string) {
	h := &s.HTTP
	r.intSize(base+"request-body-limit", &h.RequestBodyLimit)
	r.intSize(base+"response-body-limit", &h.ResponseBodyLimit)
	r.count(base+"response-body-decompress-layer-limit", &h.DecompressLayers)
	r.flag(base+"double-decode-path", &h.DoubleDecodePath)
	r.flag(base+"double-decode-query", &h.DoubleDecodeQuery)
	r.intSize(base+"compression-bomb-limit", &h.BombLimit)
	r.intSize(base+"meta-field-limit", &h.HardFieldLimit)
	r.count(base+"headers-limit", &h.MaxHeaders)
	r.count("app-layer.protocols.http.libhtp.max-tx", &h.MaxTx)
	for _, known := range []string{"personality", "request-body-minimal-inspect-size", "request-body-inspect-window",
		"response-body-minimal-inspect-size", "response-body-inspect-window", "http-body-inline", "swf-decompression",
		"randomize-inspection-sizes", "randomize-inspection-range", "lzma-enabled", "lzma-memlimit", "decompression-time-limit",
		"max-tx", "request-body-decompress"} {
		if n := r.at(base + known); n != nil {
			n.markAll()
		}
	}
	if n := r.at("app-layer.protocols.http.libhtp.server-config"); n != nil && len(n.children) > 0 {
		r.warn(n, "app-layer.protocols.http.libhtp.server-config", "servers are not told apart here; default-config holds for all")
		n.markAll()
	}
}

// passOver marks what other protocols may say that changes nothing here: those that are not parsed are off in any case.
func (s *Settings) passOver(r *reader) {
	n := r.at("app-layer.protocols")
	if n == nil {
		return
	}
	ours := map[string]bool{}
	for _, p := range protocolNames {
		ours[p] = true
	}
	for _, c := range n.children {
		if ours[c.key] {
			continue
		}
		if e := c.child("enabled"); e != nil {
			if on, _ := truth(e.value); on && c.file != "--set" {
				r.warn(c, "app-layer.protocols."+c.key, "this protocol is not parsed here; its rules are refused")
			}
		}
		c.markAll()
	}
}
