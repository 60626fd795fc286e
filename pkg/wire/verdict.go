package wire

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Snapshots carry verdicts in a form of their own, since a sensor may take a million of them at once and JSON costs it ten
// times as long. In order:
//
//	id (string), epoch, seq (uvarint)
//	flags (byte): 1 flow, 2 spoofable
//	src, dst (prefix); proto (byte), port (uvarint)
//	with flag 1: tenant (uvarint), src, dst (address and port), proto (byte)
//	action, origin (byte), rule, rate (uvarint)
//	scope, reason, created by, approved by (string)
//	number of pieces of evidence (uvarint), each (string)
//	created at, expires at (varint, Unix ns; the zero time is the smallest int64)
//
// A string is its length as uvarint and its bytes; a prefix is such a string of netip's binary form, empty for none.

const (
	flagFlow = 1 << iota
	flagSpoofable
)

func appendVerdict(b []byte, v *verdict.Verdict) []byte {
	b = appendString(b, v.ID)
	b = binary.AppendUvarint(b, v.Epoch)
	b = binary.AppendUvarint(b, v.Seq)
	var flags byte
	if v.Match.Flow != nil {
		flags |= flagFlow
	}
	if v.Spoofable {
		flags |= flagSpoofable
	}
	b = append(b, flags)
	b = appendMatch(b, &v.Match)
	b = append(b, byte(v.Action), byte(v.Origin))
	b = binary.AppendUvarint(b, uint64(v.Rule))
	b = binary.AppendUvarint(b, uint64(v.Rate))
	for _, s := range []string{v.Scope, v.Reason, v.CreatedBy, v.ApprovedBy} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(v.Evidence)))
	for _, s := range v.Evidence {
		b = appendString(b, s)
	}
	b = appendTime(b, v.CreatedAt)
	return appendTime(b, v.ExpiresAt)
}

func appendMatch(b []byte, m *verdict.Match) []byte {
	b = appendPrefix(b, m.Src)
	b = appendPrefix(b, m.Dst)
	b = append(b, m.Proto)
	b = binary.AppendUvarint(b, uint64(m.Port))
	if f := m.Flow; f != nil {
		b = binary.AppendUvarint(b, f.Tenant)
		b = appendAddrPort(b, f.Src)
		b = appendAddrPort(b, f.Dst)
		b = append(b, f.Proto)
	}
	return b
}

func appendPrefix(b []byte, p netip.Prefix) []byte {
	if !p.IsValid() {
		return append(b, 0)
	}
	at := len(b)
	b = append(b, 0)
	b, _ = p.AppendBinary(b) // fails never: its error is for the interface
	b[at] = byte(len(b) - at - 1)
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, math.MinInt64)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

// verdictReader decodes verdicts that follow each other. Texts that repeat, as a feed's do, are kept once.
type verdictReader struct {
	reader
	scope, reason, createdBy, approvedBy string

	texts strings.Builder // where ids are: one piece of memory for many
}

// piece is how many bytes of ids share one piece of memory: what one of them keeps alive.
const piece = 16 << 10

// text reads a string that differs from verdict to verdict.
func (r *verdictReader) text(limit int) string {
	b := r.bytes(limit)
	if r.texts.Cap()-r.texts.Len() < len(b) {
		r.texts = strings.Builder{}
		r.texts.Grow(max(len(b), min(piece, len(r.b)+len(b))))
	}
	at := r.texts.Len()
	r.texts.Write(b)
	return r.texts.String()[at:]
}

// verdict reads the next into v, which is zero.
func (r *verdictReader) verdict(v *verdict.Verdict) {
	v.ID, v.Epoch, v.Seq = r.text(verdict.MaxID), r.uvarint(), r.uvarint()
	flags := r.byte()
	if flags > flagFlow|flagSpoofable {
		r.fail("unknown verdict flags %#x", flags)
	}
	v.Spoofable = flags&flagSpoofable != 0
	r.match(&v.Match, flags&flagFlow != 0)
	v.Action, v.Origin = verdict.Action(r.byte()), verdict.Origin(r.byte())
	v.Rule, v.Rate = uint32(r.atMost(math.MaxUint32)), uint32(r.atMost(math.MaxUint32))
	v.Scope = r.repeated(&r.scope, maxName)
	v.Reason = r.repeated(&r.reason, verdict.MaxReason)
	v.CreatedBy = r.repeated(&r.createdBy, maxPerson)
	v.ApprovedBy = r.repeated(&r.approvedBy, maxPerson)
	if n := r.atMost(verdict.MaxEvidence); n > 0 {
		v.Evidence = make([]string, 0, n)
		for range n {
			v.Evidence = append(v.Evidence, r.text(maxEvidenceID))
		}
	}
	v.CreatedAt, v.ExpiresAt = r.time(), r.time()
}

func (r *verdictReader) match(m *verdict.Match, flow bool) {
	m.Src, m.Dst = r.prefix(), r.prefix()
	m.Proto, m.Port = r.byte(), uint16(r.atMost(math.MaxUint16))
	if flow {
		m.Flow = &verdict.FlowKey{Tenant: r.uvarint(), Src: r.addrPort(), Dst: r.addrPort(), Proto: r.byte()}
	}
}

// repeated reads a string, which is last's if it is the same.
func (r *verdictReader) repeated(last *string, limit int) string {
	if b := r.bytes(limit); string(b) != *last {
		*last = string(b)
	}
	return *last
}

func (r *reader) atMost(limit uint64) uint64 {
	n := r.uvarint()
	if n > limit {
		r.fail("%d is more than %d", n, limit)
		return 0
	}
	return n
}

func (r *reader) prefix() netip.Prefix {
	var p netip.Prefix
	b := r.bytes(17)
	if len(b) == 5 && b[4] <= 32 { // IPv4, nearly all: UnmarshalBinary takes several times as long
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), int(b[4]))
	}
	if err := p.UnmarshalBinary(b); len(b) > 0 && err != nil {
		r.fail("prefix: %v", err)
	}
	return p
}

func (r *reader) time() time.Time {
	n := r.varint()
	if n == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
