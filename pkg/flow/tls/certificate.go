package tls

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf16"
)

// Errors of parseCertificate are named after Suricata's events.
var (
	errDER        = errors.New("certificate_invalid_der")
	errVersion    = errors.New("certificate_invalid_version")
	errSerial     = errors.New("certificate_invalid_serial")
	errAlgorithm  = errors.New("certificate_invalid_algorithmidentifier")
	errIssuer     = errors.New("certificate_invalid_issuer")
	errSubject    = errors.New("certificate_invalid_subject")
	errValidity   = errors.New("certificate_invalid_validity")
	errExtensions = errors.New("certificate_invalid_extensions")
)

// DER tags (X.690 §8).
const (
	tagInteger    = 0x02
	tagOID        = 0x06
	tagUTCTime    = 0x17
	tagTime       = 0x18
	tagBMPString  = 0x1e
	tagSequence   = 0x30
	tagSet        = 0x31
	tagVersion    = 0xa0
	tagExtensions = 0xa3
	tagOctets     = 0x04
	tagBoolean    = 0x01
)

// element takes one DER element off b.
func element(b []byte) (tag byte, body, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag = b[0]
	n, off := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 3 || len(b) < 2+size {
			return 0, nil, nil, false
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		off += size
	}
	if n > len(b)-off {
		return 0, nil, nil, false
	}
	return tag, b[off : off+n], b[off+n:], true
}

// expect takes an element of the wanted tag.
func expect(b []byte, want byte) (body, rest []byte, ok bool) {
	tag, body, rest, ok := element(b)
	return body, rest, ok && tag == want
}

// parseCertificate reads an X.509 certificate (RFC 5280 §4.1) without judging it. What was read before an error is kept.
func parseCertificate(der []byte) (*Certificate, error) {
	c := &Certificate{Fingerprint: colons(sum1(der), false)}
	outer, _, ok1 := expect(der, tagSequence)
	tbs, _, ok2 := expect(outer, tagSequence)
	if !ok1 || !ok2 {
		return c, errDER
	}
	if tag, _, rest, ok := element(tbs); ok && tag == tagVersion {
		tbs = rest
	} else if !ok {
		return c, errVersion
	}
	serial, tbs, ok := expect(tbs, tagInteger)
	if !ok || len(serial) == 0 {
		return c, errSerial
	}
	c.Serial = colons(serial, true)
	if _, tbs, ok = expect(tbs, tagSequence); !ok {
		return c, errAlgorithm
	}
	return c, c.rest(tbs)
}

// rest reads what follows the signature algorithm.
func (c *Certificate) rest(tbs []byte) error {
	issuer, tbs, ok := expect(tbs, tagSequence)
	if c.Issuer, ok = name(issuer, ok); !ok {
		return errIssuer
	}
	validity, tbs, ok := expect(tbs, tagSequence)
	if !ok {
		return errValidity
	}
	tag, from, validity, ok1 := element(validity)
	tag2, to, _, ok2 := element(validity)
	if !ok1 || !ok2 {
		return errValidity
	}
	c.NotBefore, ok1 = certTime(tag, from)
	c.NotAfter, ok2 = certTime(tag2, to)
	if !ok1 || !ok2 {
		return errValidity
	}
	subject, tbs, ok := expect(tbs, tagSequence)
	if c.Subject, ok = name(subject, ok); !ok {
		return errSubject
	}
	if _, tbs, ok = expect(tbs, tagSequence); !ok {
		return errAlgorithm
	}
	for len(tbs) > 0 {
		tag, body, rest, ok := element(tbs)
		if !ok {
			return errExtensions
		}
		if tag == tagExtensions && !c.extensions(body) {
			return errExtensions
		}
		tbs = rest
	}
	return nil
}

func sum1(b []byte) []byte {
	s := sha1.Sum(b)
	return s[:]
}

// colons writes bytes as "AA:BB".
func colons(b []byte, upper bool) string {
	s := hex.EncodeToString(b)
	if upper {
		s = strings.ToUpper(s)
	}
	var out strings.Builder
	for i := 0; i < len(s); i += 2 {
		if i > 0 {
			out.WriteByte(':')
		}
		out.WriteString(s[i : i+2])
	}
	return out.String()
}

// name writes a distinguished name in the order of the certificate: "C=US, O=Example".
func name(b []byte, ok bool) (string, bool) {
	var out strings.Builder
	for ok && len(b) > 0 {
		var set []byte
		if set, b, ok = expect(b, tagSet); !ok {
			return out.String(), false
		}
		for first := true; len(set) > 0; first = false {
			var pair []byte
			if pair, set, ok = expect(set, tagSequence); !ok {
				return out.String(), false
			}
			oid, value, ok := expect(pair, tagOID)
			tag, text, _, ok2 := element(value)
			if !ok || !ok2 {
				return out.String(), false
			}
			if out.Len() > 0 {
				if first {
					out.WriteString(", ")
				} else {
					out.WriteString(" + ")
				}
			}
			out.WriteString(attribute(oid) + "=" + textOf(tag, text))
		}
	}
	return out.String(), ok
}

// attribute is an attribute type's usual abbreviation, or its object identifier.
func attribute(oid []byte) string {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 4 {
		switch oid[2] {
		case 3:
			return "CN"
		case 4:
			return "SN"
		case 5:
			return "serialNumber"
		case 6:
			return "C"
		case 7:
			return "L"
		case 8:
			return "ST"
		case 9:
			return "street"
		case 10:
			return "O"
		case 11:
			return "OU"
		case 12:
			return "title"
		case 15:
			return "businessCategory"
		case 17:
			return "postalCode"
		case 42:
			return "GN"
		}
	}
	switch string(oid) {
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":
		return "Email"
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":
		return "DC"
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":
		return "UID"
	}
	return dotted(oid)
}

// dotted writes an object identifier in numbers.
func dotted(oid []byte) string {
	if len(oid) == 0 {
		return ""
	}
	out := fmt.Sprintf("%d.%d", min(oid[0]/40, 2), int(oid[0])-40*int(min(oid[0]/40, 2)))
	v := uint64(0)
	for _, c := range oid[1:] {
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			out += fmt.Sprintf(".%d", v)
			v = 0
		}
	}
	return out
}

// textOf decodes an attribute's value. Strings are taken byte by byte, 16-bit ones are decoded.
func textOf(tag byte, b []byte) string {
	if tag != tagBMPString {
		return string(b)
	}
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, uint16(b[0])<<8|uint16(b[1]))
	}
	return string(utf16.Decode(units))
}

// certTime reads a UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5).
func certTime(tag byte, b []byte) (int64, bool) {
	layouts := []string{"20060102150405Z0700", "200601021504Z0700"}
	text := string(b)
	if tag == tagUTCTime {
		century := "20"
		if len(text) > 0 && text[0] >= '5' {
			century = "19"
		}
		text = century + text
	} else if tag != tagTime {
		return 0, false
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// maxAltNames bounds the names kept of a certificate.
const maxAltNames = 1024

// extensions looks for subjectAltName (RFC 5280 §4.2.1.6).
func (c *Certificate) extensions(b []byte) bool {
	list, _, ok := expect(b, tagSequence)
	for ok && len(list) > 0 {
		var ext []byte
		if ext, list, ok = expect(list, tagSequence); !ok {
			return false
		}
		oid, rest, ok := expect(ext, tagOID)
		if !ok {
			return false
		}
		if tag, _, after, ok := element(rest); ok && tag == tagBoolean {
			rest = after
		}
		value, _, ok := expect(rest, tagOctets)
		if !ok {
			return false
		}
		if string(oid) == "\x55\x1d\x11" {
			c.altNames(value)
		}
	}
	return ok
}

func (c *Certificate) altNames(b []byte) {
	list, _, ok := expect(b, tagSequence)
	for ok && len(list) > 0 && len(c.SubjectAltNames) < maxAltNames {
		tag, body, rest, ok := element(list)
		if !ok {
			return
		}
		list = rest
		switch tag {
		case 0x81, 0x82, 0x86: // e-mail, DNS name, URI
			c.SubjectAltNames = append(c.SubjectAltNames, string(body))
		case 0x87:
			if ip, ok := netip.AddrFromSlice(body); ok {
				c.SubjectAltNames = append(c.SubjectAltNames, ip.String())
			}
		}
	}
}
