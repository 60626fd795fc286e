package log

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/weir-ips/weir/pkg/wire"
)

// Dump is the log as it stands now: a signed snapshot's parts, each behind its length (4 bytes, big-endian).
func (l *Log) Dump() ([]byte, error) {
	parts, err := l.storedParts(&l.state)
	if err != nil {
		return nil, fmt.Errorf("dump the verdict log: %w", err)
	}
	var out []byte
	for i := range parts {
		msg, err := parts[i].Seal(l.o.Key)
		if err != nil {
			return nil, fmt.Errorf("dump the verdict log: %w", err)
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(msg))), msg...)
	}
	return out, nil
}

// Empty reports whether nothing was ever decided: no verdict is in force and none has ended.
func (l *Log) Empty() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.seq == 0 && len(l.verdicts) == 0
}

// Restore begins a new epoch with the verdicts of a dump, so that every sensor takes the whole set: some may have heard of
// verdicts that were made after the dump.
func (l *Log) Restore(ctx context.Context, r io.Reader) error {
	l.write.Lock()
	defer l.write.Unlock()
	ld := loader{log: l, state: l.state}
	var size [4]byte
	for {
		if _, err := io.ReadFull(r, size[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("restore the verdict log: %w", err)
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > wire.MaxMessage {
			return fmt.Errorf("restore the verdict log: a part of %d bytes, at most %d", n, wire.MaxMessage)
		}
		msg := make([]byte, n)
		if _, err := io.ReadFull(r, msg); err != nil {
			return fmt.Errorf("restore the verdict log: %w", err)
		}
		if err := ld.snapshot(msg); err != nil {
			return fmt.Errorf("restore the verdict log: %w", err)
		}
	}
	if len(ld.parts) > 0 {
		return errors.New("restore the verdict log: the dump is cut short")
	}
	return l.begin(ctx, ld, l.streamSeq)
}
