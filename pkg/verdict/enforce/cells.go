package enforce

import (
	"sync/atomic"
	"unsafe"

	"github.com/weir-ips/weir/bpf"
)

// cells is an open hash table in shared memory: buckets of eight, probed linearly. XDP goes on to the next bucket while the
// last cell of one has ever been used; so that cell, once used, becomes a tombstone and not empty.
type cells []bpf.Bucket

func (c cells) bucket(hash uint32, probe int) *[bpf.Cells]bpf.Cell {
	return &c[(hash+uint32(probe))&uint32(len(c)-1)].Cells
}

// find returns the cell with this tag; nil if there is none.
func (c cells) find(hash, tag uint32) *bpf.Cell {
	for probe := range bpf.Probes {
		b := c.bucket(hash, probe)
		for i := range b {
			if b[i].Tag == tag && b[i].Slot != 0 && b[i].Slot != bpf.Tombstone {
				return &b[i]
			}
		}
		if b[bpf.Cells-1].Slot == 0 {
			return nil
		}
	}
	return nil
}

// put adds a cell; false if there is no room near enough.
func (c cells) put(hash, tag, slot uint32) bool {
	for probe := range bpf.Probes {
		b := c.bucket(hash, probe)
		for i := range b {
			if b[i].Slot == 0 || b[i].Slot == bpf.Tombstone {
				store(&b[i], tag, slot)
				return true
			}
		}
	}
	return false
}

// remove empties the cell with this tag.
func (c cells) remove(hash, tag uint32) {
	for probe := range bpf.Probes {
		b := c.bucket(hash, probe)
		for i := range b {
			if b[i].Tag != tag || b[i].Slot == 0 || b[i].Slot == bpf.Tombstone {
				continue
			}
			if i == bpf.Cells-1 {
				store(&b[i], 0, bpf.Tombstone)
			} else {
				store(&b[i], 0, 0)
			}
			return
		}
		if b[bpf.Cells-1].Slot == 0 {
			return
		}
	}
}

// store writes both halves of a cell at once: XDP sees the old or the new.
func store(c *bpf.Cell, tag, slot uint32) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(c)), uint64(tag)|uint64(slot)<<32)
}
