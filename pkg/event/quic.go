package event

import (
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/app/handshake"
	"github.com/weir-ips/weir/pkg/flow/quic"
)

// quic writes the members of "quic".
func (e *encoder) quic(withJA4 bool, t *quic.Tx) {
	e.str("version", quicVersion(t.Version))
	e.textIf("sni", t.SNI)
	e.textIf("ua", t.UA)
	if len(t.CYU) > 0 {
		e.list("cyu")
		for _, c := range t.CYU {
			e.item()
			e.str("hash", c.Hash)
			e.str("string", c.String)
			e.close()
		}
		e.end()
	}
	if t.JA3Hash != "" {
		name := "ja3s"
		if t.Client {
			name = "ja3"
		}
		e.open(name)
		e.str("hash", t.JA3Hash)
		e.str("string", t.JA3)
		e.close()
	}
	if withJA4 {
		e.strIf("ja4", t.JA4)
	}
	e.extensions(&t.Hello)
}

// extensions writes the hello's extensions by name, with the values of those that name something.
func (e *encoder) extensions(h *handshake.Hello) {
	if len(h.Extensions) == 0 {
		return
	}
	e.list("extensions")
	for _, x := range h.Extensions {
		e.item()
		if name := extensionNames[x]; name != "" {
			e.str("name", name)
		}
		e.num("type", uint64(x))
		switch {
		case x == handshake.ExtServerName && len(h.SNI) > 0:
			e.list("values")
			e.elemText(h.SNI)
			e.end()
		case x == handshake.ExtALPN && len(h.ALPN) > 0:
			e.texts("values", h.ALPN)
		}
		e.close()
	}
	e.end()
}

// extensionNames are the names of the IANA registry of TLS extensions.
var extensionNames = map[uint16]string{
	0: "server_name", 1: "max_fragment_length", 3: "trusted_ca_keys", 4: "truncated_hmac", 5: "status_request", 6: "user_mapping",
	9: "cert_type", 10: "supported_groups", 11: "ec_point_formats", 12: "srp", 13: "signature_algorithms", 14: "use_srtp",
	15: "heartbeat", 16: "alpn", 17: "status_request_v2", 18: "signed_certificate_timestamp", 19: "client_certificate_type",
	20: "server_certificate_type", 21: "padding", 22: "encrypt_then_mac", 23: "extended_master_secret", 24: "token_binding",
	25: "cached_info", 27: "compress_certificate", 28: "record_size_limit", 35: "session_ticket", 41: "pre_shared_key",
	42: "early_data", 43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes", 47: "certificate_authorities",
	48: "oid_filters", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share", 57: "quic_transport_parameters",
	13172: "next_protocol_negotiation", 65281: "renegotiation_info",
}

// quicVersion returns a version's name: Google's are four letters, the standard's numbers.
func quicVersion(v uint32) string {
	switch v {
	case 1:
		return "1"
	case 0x6b3343cf, 0x709a50c4:
		return "2"
	}
	if b := []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}; b[0] == 'Q' || b[0] == 'T' {
		return string(b)
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}
