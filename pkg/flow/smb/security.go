package smb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// security looks for a logon in a security blob: bare NTLMSSP or inside SPNEGO (RFC 4178, MS-NLMP §2.2).
func (p *Parser) security(t *Tx, blob []byte) {
	// OID 1.2.840.113554.1.2.2 and Microsoft's misspelling of it announce a Kerberos ticket.
	if bytes.Contains(blob, []byte("\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")) && bytes.Contains(blob, []byte("\x01\x00\x6e")) {
		t.Kerberos = true
	}
	i := bytes.Index(blob, []byte("NTLMSSP\x00"))
	if i < 0 {
		return
	}
	m := blob[i:]
	if len(m) < 12 || binary.LittleEndian.Uint32(m[8:]) != 3 {
		return
	}
	if len(m) < 64 {
		t.Event("smb.malformed_ntlmssp_request")
		return
	}
	flags := binary.LittleEndian.Uint32(m[60:])
	n := &NTLMSSP{}
	for _, f := range []struct {
		to  *[]byte
		off int
	}{{&n.Domain, 28}, {&n.User, 36}, {&n.Host, 44}} {
		size, off := int(binary.LittleEndian.Uint16(m[f.off:])), int(binary.LittleEndian.Uint32(m[f.off+4:]))
		text := field(m, off, size)
		if text == nil && size > 0 {
			t.Event("smb.malformed_ntlmssp_request")
			return
		}
		if flags&1 != 0 {
			text = utf8Of(text)
		}
		*f.to = append([]byte{}, text...)
	}
	if flags&0x02000000 != 0 && len(m) >= 72 {
		n.Version = fmt.Sprintf("%d.%d build %d rev %d", m[64], m[65], binary.LittleEndian.Uint16(m[66:]), m[71])
	}
	t.NTLMSSP = n
}

// maxText bounds a name.
const maxText = 4096

// utf8Of converts UTF-16LE without its final zero.
func utf8Of(b []byte) []byte {
	if len(b) > maxText {
		b = b[:maxText]
	}
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, binary.LittleEndian.Uint16(b))
	}
	for len(units) > 0 && units[len(units)-1] == 0 {
		units = units[:len(units)-1]
	}
	return []byte(string(utf16.Decode(units)))
}

// strings1 reads zero-terminated strings of SMB 1, in UTF-16 when wide. off is the offset of b in the message: wide
// strings start at even ones.
func strings1(b []byte, wide bool, off int) [][]byte {
	var list [][]byte
	if wide && off&1 == 1 && len(b) > 0 {
		b = b[1:]
	}
	for len(b) > 0 && len(list) < 16 {
		end, size := len(b), 0
		if wide {
			for i := 0; i+1 < len(b); i += 2 {
				if b[i] == 0 && b[i+1] == 0 {
					end, size = i, 2
					break
				}
			}
			list = append(list, utf8Of(b[:end]))
		} else {
			if i := bytes.IndexByte(b, 0); i >= 0 {
				end, size = i, 1
			}
			list = append(list, append([]byte{}, b[:min(end, maxText)]...))
		}
		b = b[end+size:]
	}
	return list
}
