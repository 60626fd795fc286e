package app

import "bytes"

// SetRange notes which part of a file this one holds, as the field Content-Range says it (RFC 9110 §14.4): "bytes 0-99/1000", or "*"
// for an unknown size. It returns false when the field says nothing of the kind.
func (f *File) SetRange(field []byte) bool {
	rest, ok := cutFold(bytes.TrimLeft(field, " \t"), "bytes")
	if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
		return false
	}
	start, rest, ok := leadingNumber(bytes.TrimLeft(rest, " \t"))
	if !ok || len(rest) == 0 || rest[0] != '-' {
		return false
	}
	end, rest, ok := leadingNumber(rest[1:])
	if !ok || end < start || len(rest) == 0 || rest[0] != '/' {
		return false
	}
	f.Start, f.End = start, end
	if total, _, ok := leadingNumber(rest[1:]); ok {
		f.Total = total
	}
	return true
}

func cutFold(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || !bytes.EqualFold(b[:len(prefix)], []byte(prefix)) {
		return nil, false
	}
	return b[len(prefix):], true
}

func leadingNumber(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && i < 18 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	return n, b[i:], i > 0
}

// RangeKey names a file for Ranges: by the host that has it and its name there.
func RangeKey(host, name []byte) string { return string(host) + "\x00" + string(name) }
