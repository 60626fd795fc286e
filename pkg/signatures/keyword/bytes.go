package keyword

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// reader takes a number out of the buffer: byte_test, byte_jump, byte_extract and byte_math have it in common.
type reader struct {
	count    int // bytes, or digits of a string; 0: as many digits as there are (byte_extract string,0?)
	countVar number
	offset   number
	relative bool
	little   bool
	text     bool
	base     int // of a text: 8, 10 or 16; 0 for what a C program would take
	mask     uint64
	dce      bool
}

var errNoRoom = errors.New("bytes are 1 to 8; with string 1 to 23")

// read returns the number and the offset behind it; false when it lies outside of the buffer or is none.
func (r *reader) read(in *Inspection) (value uint64, end int, ok bool) {
	at := r.offset.get(in)
	if r.relative {
		at += in.pos
	} else {
		at -= in.base
	}
	n := r.count
	if r.countVar.set {
		n = r.countVar.get(in)
	}
	if at < 0 || n < 0 || at+n > len(in.buf) || n > 23 {
		return 0, 0, false
	}
	b := in.buf[at : at+n]
	if r.text {
		v, used, ok := parseDigits(b, r.base)
		return r.masked(v), at + used, ok
	}
	if n > 8 || n == 0 {
		return 0, 0, false
	}
	var full [8]byte
	if r.little || r.dce && in.ctx.dceLittle() {
		copy(full[:], b)
		value = binary.LittleEndian.Uint64(full[:])
	} else {
		copy(full[8-n:], b)
		value = binary.BigEndian.Uint64(full[:])
	}
	return r.masked(value), at + n, true
}

func (r *reader) masked(v uint64) uint64 {
	if r.mask == 0 {
		return v
	}
	return v & r.mask >> bits.TrailingZeros64(r.mask)
}

// parseDigits reads a number as strtoul does: leading space, a sign, digits as far as they go.
func parseDigits(b []byte, base int) (v uint64, used int, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] >= '\t' && b[i] <= '\r') {
		i++
	}
	negative := false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		negative = b[i] == '-'
		i++
	}
	if base != 10 && base != 8 && i+2 < len(b) && b[i] == '0' && b[i+1]|0x20 == 'x' {
		if _, hex := hexValue(b[i+2]); hex {
			base, i = 16, i+2
		}
	}
	if base == 0 {
		base = 10
		if i < len(b) && b[i] == '0' {
			base = 8
		}
	}
	from := i
	for ; i < len(b); i++ {
		d, digit := hexValue(b[i])
		if !digit || int(d) >= base {
			break
		}
		hi, lo := bits.Mul64(v, uint64(base))
		if hi != 0 {
			return 0, 0, false
		}
		v = lo + uint64(d)
	}
	if negative {
		v = -v
	}
	return v, len(b), i > from
}

// option applies one of the words that the four keywords share; false when it is none of them.
func (r *reader) option(word string) (bool, error) {
	name, arg, _ := strings.Cut(word, " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case "relative":
		r.relative = true
	case "big":
		r.little = false
	case "little":
		r.little = true
	case "dce":
		r.dce = true
	case "string":
		r.text = true
	case "dec":
		r.base = 10
	case "hex":
		r.base = 16
	case "oct":
		r.base = 8
	case "bitmask":
		m, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(arg), "0x"), 16, 64)
		if err != nil || m == 0 {
			return true, fmt.Errorf("bitmask %q is not a hexadecimal number above 0", arg)
		}
		r.mask = m
	default:
		return false, nil
	}
	return true, nil
}

func (r *reader) check() error {
	top := 8
	if r.text {
		top = 23
	}
	if !r.countVar.set && (r.count < 1 || r.count > top) && !(r.text && r.count == 0) {
		return fmt.Errorf("%d: %w", r.count, errNoRoom)
	}
	return nil
}

// words splits an argument at commas and trims the parts.
func words(arg string) []string {
	parts := strings.Split(arg, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
