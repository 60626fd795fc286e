package threshold

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrKept is wrapped by errors about what another program has left.
var ErrKept = errors.New("counters that another program has left")

// keptCounter is one entry of a Table. Little-endian.
type keptCounter struct {
	Key          Key
	Start, Until int64
	Count, Next  uint64
}

var keptSize = binary.Size(keptCounter{})

// Keep appends all counters, the least recently used of a shard first.
func (t *Table) Keep(buf []byte) []byte {
	at, count := len(buf), uint32(0)
	buf = append(buf, 0, 0, 0, 0)
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		for _, k := range sh.lru.Keys() {
			if c, ok := sh.lru.Peek(k); ok {
				buf, _ = binary.Append(buf, binary.LittleEndian, &keptCounter{k, c.start, c.until, c.count, c.next}) // fails for sizes that vary alone
				count++
			}
		}
		sh.mu.Unlock()
	}
	binary.LittleEndian.PutUint32(buf[at:], count)
	return buf
}

// Restore takes the counters that Keep has appended, and returns what follows them.
func (t *Table) Restore(data []byte) ([]byte, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("%w: a count is cut short", ErrKept)
	}
	count := int(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if count > tableShards*shardLimit || count*keptSize > len(data) {
		return nil, fmt.Errorf("%w: %d in %d bytes", ErrKept, count, len(data))
	}
	for range count {
		var c keptCounter
		if _, err := binary.Decode(data, binary.LittleEndian, &c); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKept, err)
		}
		data = data[keptSize:]
		sh := &t.shards[c.Key.shard()]
		sh.mu.Lock()
		sh.lru.Add(c.Key, &counter{start: c.Start, until: c.Until, count: c.Count, next: c.Next})
		sh.mu.Unlock()
	}
	return data, nil
}
