package keyword

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What rules remember, as one program leaves it to the next. Little-endian; numbers of names are those of the program that wrote it.

// ErrKept is wrapped by errors about what another program has left.
var ErrKept = errors.New("what rules remembered in another program")

const (
	maxNames   = 1 << 20
	maxNameLen = 1<<16 - 1
)

// Keep appends all names.
func (n *Names) Keep(buf []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for kind := range n.all {
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(n.all[kind])))
		for _, name := range n.all[kind] {
			name = name[:min(len(name), maxNameLen)]
			buf = append(binary.LittleEndian.AppendUint16(buf, uint16(len(name))), name...)
		}
	}
	return buf
}

// Numbers tells what another program's numbers of names are here.
type Numbers struct{ here [numKinds][]uint32 }

// Numbers reads what Keep has appended, and returns what follows it.
func (n *Names) Numbers(data []byte) (*Numbers, []byte, error) {
	out := &Numbers{}
	for kind := range numKinds {
		count, rest, err := counted(data, 2, maxNames)
		if err != nil {
			return nil, nil, err
		}
		for range count {
			if len(rest) < 2 || len(rest)-2 < int(binary.LittleEndian.Uint16(rest)) {
				return nil, nil, fmt.Errorf("%w: a name is cut short", ErrKept)
			}
			end := 2 + int(binary.LittleEndian.Uint16(rest))
			out.here[kind] = append(out.here[kind], n.id(kind, string(rest[2:end])))
			rest = rest[end:]
		}
		data = rest
	}
	return out, data, nil
}

// counted reads how many things of at least size bytes follow.
func counted(data []byte, size, limit int) (n int, rest []byte, err error) {
	if len(data) < 4 {
		return 0, nil, fmt.Errorf("%w: a count is cut short", ErrKept)
	}
	count := binary.LittleEndian.Uint32(data)
	if count > uint32(limit) || int(count)*size > len(data)-4 {
		return 0, nil, fmt.Errorf("%w: %d entries in %d bytes", ErrKept, count, len(data)-4)
	}
	return int(count), data[4:], nil
}

func (n *Numbers) of(kind nameKind, id uint32) (uint32, bool) {
	if int(id) >= len(n.here[kind]) {
		return 0, false
	}
	return n.here[kind][id], true
}

// keptBit is one entry of Hosts.
type keptBit struct {
	A, B  U128
	Bit   uint32
	Host  bool
	Until int64
}

var keptBitSize = binary.Size(keptBit{})

// Keep appends the bits that are set at now, Unix ns.
func (h *Hosts) Keep(buf []byte, now int64) []byte {
	at, count := len(buf), uint32(0)
	buf = append(buf, 0, 0, 0, 0)
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		for k, until := range s.entries {
			if until > now {
				buf, _ = binary.Append(buf, binary.LittleEndian, &keptBit{k.a, k.b, k.bit, k.host, until}) // fails for sizes that vary alone
				count++
			}
		}
		s.mu.Unlock()
	}
	binary.LittleEndian.PutUint32(buf[at:], count)
	return buf
}

// Restore sets the bits that Keep has appended, and returns what follows them.
func (h *Hosts) Restore(data []byte, n *Numbers, now int64) ([]byte, error) {
	count, data, err := counted(data, keptBitSize, hostShards*hostLimit)
	if err != nil {
		return nil, err
	}
	for range count {
		var b keptBit
		if _, err := binary.Decode(data, binary.LittleEndian, &b); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKept, err)
		}
		data = data[keptBitSize:]
		kind := kindXbit
		if b.Host {
			kind = kindHostbit
		}
		if id, ok := n.of(kind, b.Bit); ok {
			h.set(hostKey{b.A, b.B, id, b.Host}, b.Until, now)
		}
	}
	return data, nil
}

// Keep appends flowbits and flowints; captured values and entropies are not kept.
func (f *FlowState) Keep(buf []byte) []byte {
	at, count := len(buf), uint32(0)
	buf = append(buf, 0, 0, 0, 0)
	for i, word := range f.Bits {
		for b := range 64 {
			if word&(1<<b) != 0 {
				buf = binary.LittleEndian.AppendUint32(buf, uint32(i*64+b))
				count++
			}
		}
	}
	binary.LittleEndian.PutUint32(buf[at:], count)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(f.Ints)))
	for _, i := range f.Ints {
		buf = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(buf, i.ID), i.Value)
	}
	return buf
}

// Restore sets what Keep has appended.
func (f *FlowState) Restore(data []byte, n *Numbers) error {
	count, data, err := counted(data, 4, maxNames)
	if err != nil {
		return err
	}
	for range count {
		if id, ok := n.of(kindFlowbit, binary.LittleEndian.Uint32(data)); ok {
			f.setBit(id, true)
		}
		data = data[4:]
	}
	count, data, err = counted(data, 8, maxNames)
	if err != nil {
		return err
	}
	for range count {
		if id, ok := n.of(kindFlowint, binary.LittleEndian.Uint32(data)); ok && f.integer(id) == nil {
			f.Ints = append(f.Ints, FlowInt{id, binary.LittleEndian.Uint32(data[4:])})
		}
		data = data[8:]
	}
	return nil
}
