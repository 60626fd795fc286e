package tls

import "github.com/weir-ips/weir/pkg/flow/app"

// Probe tells TLS by its first record: from the client a handshake record or an SSL 2.0 hello, from the server any
// record but ChangeCipherSpec.
func Probe(dir app.Direction, data []byte, _, _ uint16) app.Match {
	if len(data) < 3 {
		if len(data) == 0 || data[0] == recordHandshake || data[0]&0x80 != 0 || dir == app.ToClient && isRecord(data[0]) {
			return app.More
		}
		return app.No
	}
	if dir == app.ToServer && isSSLv2(data) && data[2] == clientHello {
		return probeV2(data)
	}
	if data[1] != 3 || data[2] > 4 {
		return app.No
	}
	if data[0] != recordHandshake {
		return yes(dir == app.ToClient && isRecord(data[0]))
	}
	if dir == app.ToServer { // the record's type and version are enough, whatever the handshake turns out to be
		return app.Yes
	}
	if len(data) < 6 {
		return app.More
	}
	return yes(data[5] == serverHello)
}

func isRecord(typ byte) bool {
	return typ == recordAlert || typ == recordHandshake || typ == recordData
}

// probeV2 judges the version and the lengths of an SSL 2.0 hello.
func probeV2(data []byte) app.Match {
	if len(data) < 11 {
		return app.More
	}
	size := int(data[0]&0x7f)<<8 | int(data[1])
	ciphers, session, challenge := int(data[5])<<8|int(data[6]), int(data[7])<<8|int(data[8]), int(data[9])<<8|int(data[10])
	version := data[3] == 3 && data[4] <= 4 || data[3] == 0 && data[4] == 2
	return yes(version && ciphers%3 == 0 && 9+ciphers+session+challenge == size)
}

func yes(b bool) app.Match {
	if b {
		return app.Yes
	}
	return app.No
}
