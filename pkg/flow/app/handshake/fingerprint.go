package handshake

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// isGREASE tells the reserved values that clients sprinkle in (RFC 8701).
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func appendList(dst []byte, list []uint16, keepGREASE bool) []byte {
	first := true
	for _, v := range list {
		if isGREASE(v) && !keepGREASE {
			continue
		}
		if !first {
			dst = append(dst, '-')
		}
		first = false
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

// JA3 returns the fingerprint string of a ClientHello and its MD5 (https://github.com/salesforce/ja3).
func (h *Hello) JA3() (text, hash string) {
	b := strconv.AppendUint(nil, uint64(h.Version), 10)
	for _, list := range [][]uint16{h.Ciphers, h.Extensions, h.Groups} {
		b = appendList(append(b, ','), list, false)
	}
	b = append(b, ',')
	for i, p := range h.Points {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	return string(b), MD5(string(b))
}

// JA3S returns the fingerprint string of a ServerHello and its MD5.
func (h *Hello) JA3S() (text, hash string) {
	b := strconv.AppendUint(nil, uint64(h.Version), 10)
	b = appendList(append(b, ','), h.Ciphers, true)
	b = appendList(append(b, ','), h.Extensions, true)
	return string(b), MD5(string(b))
}

// MD5 returns the lower-case hexadecimal MD5 of s.
func MD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// JA4 returns the fingerprint of a ClientHello (https://github.com/FoxIO-LLC/ja4). transport is 't' for TCP, 'q' for
// QUIC.
func (h *Hello) JA4(transport byte) string {
	ciphers, exts := withoutGREASE(h.Ciphers), withoutGREASE(h.Extensions)
	sni := byte('i')
	if h.SNI != nil {
		sni = 'd'
	}
	out := make([]byte, 0, len("t13d1516h2_8daaf6152771_e5627efa2ab1"))
	out = append(append(out, transport), ja4Version(h)...)
	out = twoDigits(twoDigits(append(out, sni), len(ciphers)), len(exts))
	out = append(append(out, ja4ALPN(h.ALPN)...), '_')
	slices.Sort(ciphers)
	kept := slices.DeleteFunc(exts, func(e uint16) bool { return e == ExtServerName || e == ExtALPN })
	slices.Sort(kept)
	list := hexList(make([]byte, 0, 512), ciphers)
	out = append(short(out, list), '_')
	// Without signature algorithms the separator stays, as in Suricata; FoxIO's reference leaves it out.
	list = hexList(append(hexList(list[:0], kept), '_'), withoutGREASE(h.Signatures))
	return string(short(out, list))
}

// twoDigits appends n, 99 for what is more.
func twoDigits(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func withoutGREASE(list []uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), isGREASE)
}

// hexList appends values of four hexadecimal digits, with commas between them.
func hexList(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = hex.AppendEncode(dst, []byte{byte(v >> 8), byte(v)})
	}
	return dst
}

// short appends the first 12 hexadecimal digits of the SHA-256 of text, zeros for nothing.
func short(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(dst, sum[:6])
}

// ja4Version is the highest version offered.
func ja4Version(h *Hello) string {
	v := h.Version
	if versions := withoutGREASE(h.Versions); len(versions) > 0 {
		v = slices.Max(versions)
	}
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

// ja4ALPN is the first and last character of the first protocol, or of its hexadecimal form when one is not
// alphanumeric.
func ja4ALPN(alpn [][]byte) string {
	if len(alpn) == 0 || len(alpn[0]) == 0 {
		return "00"
	}
	first, last := alpn[0][0], alpn[0][len(alpn[0])-1]
	if alphanumeric(first) && alphanumeric(last) {
		return string([]byte{first, last})
	}
	digits := hex.EncodeToString(alpn[0])
	return string([]byte{digits[0], digits[len(digits)-1]})
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
