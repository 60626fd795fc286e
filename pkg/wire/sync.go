package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weir-ips/weir/pkg/verdict"
)

// SyncRequest asks for what came after Last; with another epoch, a Last the collector no longer or does not yet have, or a
// Hash that differs, the answer is a snapshot. Encoded: JSON.
type SyncRequest struct {
	Sensor string `json:"sensor"`
	Epoch  uint64 `json:"epoch"`
	Last   uint64 `json:"last"`
	Hash   uint64 `json:"hash"`
	Nonce  uint64 `json:"nonce"` // random; comes back signed, so an old answer cannot be replayed
}

const maxSyncRequest = 512

// Encode marshals r.
func (r *SyncRequest) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeSyncRequest undoes Encode.
func DecodeSyncRequest(msg []byte) (*SyncRequest, error) {
	if len(msg) > maxSyncRequest {
		return nil, fmt.Errorf("decode sync request: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxSyncRequest)
	}
	r := new(SyncRequest)
	if err := json.Unmarshal(msg, r); err != nil {
		return nil, fmt.Errorf("decode sync request: %w: %w", ErrMalformed, err)
	}
	if err := CheckName(r.Sensor); err != nil {
		return nil, fmt.Errorf("decode sync request: %w: sensor: %w", ErrMalformed, err)
	}
	return r, nil
}

// Kinds of sync parts.
const (
	PartDeltas   = "deltas"
	PartSnapshot = "snapshot"
	PartRevoked  = "revoked" // only in the stream: what the log remembers of revocations
)

// SyncPart is one message of an answer. Parts carry verdicts or sealed deltas of their own, so each is decoded alone.
//
// Encoded: signature (64 bytes) over the rest up to the payload, length of the header (big-endian uint16), header (JSON with
// the payload's SHA-256), payload (zstd of verdicts, see verdict.go, or of sealed deltas each after its length as uvarint).
type SyncPart struct {
	Kind    string `json:"kind"`
	Epoch   uint64 `json:"epoch"`
	Seq     uint64 `json:"seq"` // where the log stands after all parts
	Part    int    `json:"part"`
	Parts   int    `json:"parts"`
	Nonce   uint64 `json:"nonce"`
	Digest  []byte `json:"digest"`          // SHA-256 of Payload
	Count   int    `json:"count,omitempty"` // of verdicts in it, to make room at once; a hint
	Payload []byte `json:"-"`
}

// MaxParts bounds the parts of one answer: 4 GB uncompressed.
const MaxParts = 1024

// Seal encodes and signs p. Only the small header is signed, so one payload serves every sensor.
func (p *SyncPart) Seal(key ed25519.PrivateKey) ([]byte, error) {
	header, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("seal sync part: %w", err)
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(len(header)))
	msg, err := seal(key, sealSync, append(head, header...))
	if err != nil {
		return nil, fmt.Errorf("seal sync part: %w", err)
	}
	return append(msg, p.Payload...), nil
}

// OpenSyncPart decodes msg and checks its signature against pub (nil: unchecked).
func OpenSyncPart(pub ed25519.PublicKey, msg []byte) (*SyncPart, error) {
	const fixed = ed25519.SignatureSize + 2
	if len(msg) < fixed {
		return nil, fmt.Errorf("open sync part: %w: %d bytes", ErrMalformed, len(msg))
	}
	end := fixed + int(binary.BigEndian.Uint16(msg[ed25519.SignatureSize:]))
	if end > len(msg) {
		return nil, fmt.Errorf("open sync part: %w: header ends at %d of %d", ErrMalformed, end, len(msg))
	}
	body, err := unseal(pub, sealSync, msg[:end])
	if err != nil {
		return nil, fmt.Errorf("open sync part: %w", err)
	}
	p := new(SyncPart)
	if err := json.Unmarshal(body[2:], p); err != nil {
		return nil, fmt.Errorf("open sync part: %w: %w", ErrMalformed, err)
	}
	p.Payload = msg[end:]
	if digest := sha256.Sum256(p.Payload); !bytes.Equal(digest[:], p.Digest) {
		return nil, fmt.Errorf("open sync part: %w: payload does not match its digest", ErrMalformed)
	}
	if p.Parts < 1 || p.Parts > MaxParts || p.Part < 0 || p.Part >= p.Parts {
		return nil, fmt.Errorf("open sync part: %w: part %d of %d, kind %q", ErrMalformed, p.Part, p.Parts, p.Kind)
	}
	return p, nil
}

// partBytes is when a part is full, uncompressed; with the one entry that crosses it, it stays below MaxMessage even if
// nothing in it can be compressed.
const partBytes = 768 << 10

// SnapshotParts encodes a whole set: at least one part, the first of an empty set being empty. Nonce is left 0.
func SnapshotParts(epoch, seq uint64, vs []verdict.Verdict) ([]SyncPart, error) {
	var raw []byte
	pk := packer{kind: PartSnapshot, epoch: epoch, seq: seq}
	for i := range vs {
		raw = appendVerdict(raw, &vs[i])
		if pk.count++; len(raw) >= partBytes {
			pk.add(raw)
			raw = raw[:0]
		}
	}
	return pk.finish(raw)
}

// DeltaParts encodes sealed deltas, oldest first, ending at seq.
func DeltaParts(epoch, seq uint64, sealed [][]byte) ([]SyncPart, error) {
	var raw []byte
	pk := packer{kind: PartDeltas, epoch: epoch, seq: seq}
	for _, d := range sealed {
		raw = appendString(raw, string(d))
		if len(raw) >= partBytes {
			pk.add(raw)
			raw = raw[:0]
		}
	}
	return pk.finish(raw)
}

// packer collects the parts of one answer.
type packer struct {
	kind       string
	epoch, seq uint64
	count      int // entries in what is added next
	parts      []SyncPart
}

func (k *packer) add(raw []byte) {
	p := RawPart(k.kind, k.epoch, k.seq, raw)
	p.Count, k.count = k.count, 0
	k.parts = append(k.parts, p)
}

func (k *packer) finish(rest []byte) ([]SyncPart, error) {
	if len(rest) > 0 || len(k.parts) == 0 {
		k.add(rest)
	}
	if len(k.parts) > MaxParts {
		return nil, fmt.Errorf("%s of %d parts, at most %d", k.kind, len(k.parts), MaxParts)
	}
	return Renumber(k.parts), nil
}

// RawPart is a part, the only one, that holds raw.
func RawPart(kind string, epoch, seq uint64, raw []byte) SyncPart {
	payload := deflate(nil, raw)
	digest := sha256.Sum256(payload)
	return SyncPart{Kind: kind, Epoch: epoch, Seq: seq, Parts: 1, Digest: digest[:], Payload: payload}
}

// Renumber makes parts one answer, in their order.
func Renumber(parts []SyncPart) []SyncPart {
	for i := range parts {
		parts[i].Part, parts[i].Parts = i, len(parts)
	}
	return parts
}

// Raw returns the payload uncompressed, at most 4 MB.
func (p *SyncPart) Raw() ([]byte, error) {
	raw, err := inflate(p.Payload, maxInflated)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Kind, err)
	}
	return raw, nil
}

// leastVerdict is how few bytes a verdict takes, encoded.
const leastVerdict = 16

// Verdicts decodes a snapshot part.
func (p *SyncPart) Verdicts() ([]verdict.Verdict, error) { return p.AppendVerdicts(nil) }

// AppendVerdicts decodes a snapshot part behind vs. If vs is empty, room is made for all parts.
func (p *SyncPart) AppendVerdicts(vs []verdict.Verdict) ([]verdict.Verdict, error) {
	raw, err := p.Raw()
	if err != nil {
		return vs, err
	}
	room := max(0, min(p.Count, len(raw)/leastVerdict))
	if vs == nil {
		room *= max(1, min(p.Parts, 4)) // a lie costs no more than four times the part
	}
	vs = slices.Grow(vs, room)
	for r := (&verdictReader{reader: reader{b: raw}}); len(r.b) > 0; {
		vs = append(vs, verdict.Verdict{}) // decoded in its place: a verdict is large to copy
		v := &vs[len(vs)-1]
		r.verdict(v)
		if r.err != nil {
			return vs, fmt.Errorf("snapshot: %w", r.err)
		}
		if err := CheckVerdict(v); err != nil {
			return vs, fmt.Errorf("snapshot: %w", err)
		}
	}
	return vs, nil
}

// Deltas decodes a part of deltas, checking each one's signature (pub nil: unchecked).
func (p *SyncPart) Deltas(pub ed25519.PublicKey) ([]*Delta, error) {
	raw, err := p.Raw()
	if err != nil {
		return nil, err
	}
	r := reader{b: raw}
	var ds []*Delta
	for len(r.b) > 0 {
		d, err := OpenDelta(pub, r.bytes(maxDelta))
		if r.err != nil {
			return nil, fmt.Errorf("deltas: %w", r.err)
		}
		if err != nil {
			return nil, fmt.Errorf("deltas: %w", err)
		}
		ds = append(ds, d)
	}
	return ds, nil
}
