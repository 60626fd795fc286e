package http2

import "errors"

// Errors of a header block.
var (
	errHeader   = errors.New("http2: header block is malformed")
	errOverflow = errors.New("http2: integer of a header block is too large")
	errBomb     = errors.New("http2: header list is larger than the limit")
)

// Limits of header compression.
const (
	defaultTable = 4096
	maxTable     = 1 << 16
	maxList      = 1 << 18 // bytes of one block's fields, decoded
	maxFields    = 1024
	maxUpdates   = 16
)

// table is one direction's dynamic table (RFC 7541 §2.3.2), newest entry last.
type table struct {
	entries []Header
	size    int
	max     int // as set by the encoder
	limit   int // what the encoder may set
}

// entrySize is how an entry counts (RFC 7541 §4.1).
func entrySize(h *Header) int { return len(h.Name) + len(h.Value) + 32 }

func (t *table) add(h Header) {
	t.entries = append(t.entries, h)
	t.size += entrySize(&h)
	t.shrink()
}

// shrink drops the oldest entries beyond the maximum.
func (t *table) shrink() {
	n := 0
	for t.size > t.max && n < len(t.entries) {
		t.size -= entrySize(&t.entries[n])
		n++
	}
	if n > 0 {
		kept := copy(t.entries, t.entries[n:])
		clear(t.entries[kept:])
		t.entries = t.entries[:kept]
	}
}

// get returns the entry of an index, static ones first.
func (t *table) get(i uint64) (Header, bool) {
	if i >= 1 && i <= uint64(len(static)) {
		e := static[i-1]
		return Header{Name: []byte(e[0]), Value: []byte(e[1])}, true
	}
	i -= uint64(len(static)) + 1
	if i >= uint64(len(t.entries)) {
		return Header{}, false
	}
	return t.entries[uint64(len(t.entries))-1-i], true
}

// block is what a header block decodes to.
type block struct {
	fields  []Header
	updates []uint64
}

// decode reads a header block (RFC 7541 §6). What came before an error is kept.
func (t *table) decode(b []byte) (blk block, err error) {
	total := 0
	for len(b) > 0 {
		var h Header
		switch c := b[0]; {
		case c&0x80 != 0:
			var i uint64
			if i, b, err = integer(b, 7); err != nil {
				return blk, err
			}
			var ok bool
			if h, ok = t.get(i); !ok {
				return blk, errHeader
			}
		case c&0xe0 == 0x20:
			var n uint64
			if n, b, err = integer(b, 5); err != nil {
				return blk, err
			}
			if len(blk.updates) < maxUpdates {
				blk.updates = append(blk.updates, n)
			}
			t.max = int(min(n, uint64(t.limit)))
			t.shrink()
			continue
		case c&0xc0 == 0x40:
			if h, b, err = t.literal(b, 6); err != nil {
				return blk, err
			}
			t.add(h)
		default: // without indexing, never indexed
			if h, b, err = t.literal(b, 4); err != nil {
				return blk, err
			}
		}
		if total += entrySize(&h); total > maxList || len(blk.fields) >= maxFields {
			return blk, errBomb
		}
		blk.fields = append(blk.fields, h)
	}
	return blk, nil
}

// literal reads a field whose name may be indexed and whose value is not (RFC 7541 §6.2).
func (t *table) literal(b []byte, prefix uint) (h Header, rest []byte, err error) {
	i, b, err := integer(b, prefix)
	if err != nil {
		return h, nil, err
	}
	if i != 0 {
		e, ok := t.get(i)
		if !ok {
			return h, nil, errHeader
		}
		h.Name = e.Name
	} else if h.Name, b, err = text(b); err != nil {
		return h, nil, err
	}
	h.Value, b, err = text(b)
	return h, b, err
}

// integer reads an integer with a prefix of n bits (RFC 7541 §5.1).
func integer(b []byte, n uint) (uint64, []byte, error) {
	mask := byte(1<<n - 1)
	v := uint64(b[0] & mask)
	b = b[1:]
	if v < uint64(mask) {
		return v, b, nil
	}
	for shift := uint(0); ; shift += 7 {
		if len(b) == 0 {
			return 0, nil, errHeader
		}
		if shift > 28 {
			return 0, nil, errOverflow
		}
		c := b[0]
		b = b[1:]
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return v, b, nil
		}
	}
}

// text reads a string, Huffman-coded or not (RFC 7541 §5.2).
func text(b []byte) (s, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errHeader
	}
	coded := b[0]&0x80 != 0
	n, b, err := integer(b, 7)
	if err != nil {
		return nil, nil, err
	}
	if n > uint64(len(b)) {
		return nil, nil, errHeader
	}
	if !coded {
		return append([]byte{}, b[:n]...), b[n:], nil
	}
	if s, err = unhuffman(b[:n]); err != nil {
		return nil, nil, err
	}
	return s, b[n:], nil
}

// static is the static table (RFC 7541 appendix A).
var static = [61][2]string{
	{":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"}, {":scheme", "http"},
	{":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"}, {":status", "304"}, {":status", "400"},
	{":status", "404"}, {":status", "500"}, {"accept-charset", ""}, {"accept-encoding", "gzip, deflate"}, {"accept-language", ""},
	{"accept-ranges", ""}, {"accept", ""}, {"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""},
	{"cache-control", ""}, {"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
	{"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
	{"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""}, {"location", ""},
	{"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""}, {"referer", ""},
	{"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""}, {"strict-transport-security", ""},
	{"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""}, {"www-authenticate", ""},
}
