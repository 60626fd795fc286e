package app

import (
	"sync"
	"unsafe"
)

// Buffers lends the buffers that bodies grow in, and takes them back when their transactions are over: most of what traffic would
// otherwise leave to the garbage collector, in pages that the kernel has to give first. It is safe for concurrent use; a nil
// Buffers makes new ones. What collections find in it they take.
type Buffers struct {
	classes [len(bufferSizes)]sync.Pool // of *byte, the first of so many
}

var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, 128 << 10}

// Get returns an empty buffer with room for at least n bytes, which hold anything.
func (b *Buffers) Get(n int) []byte {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if b != nil {
			if p, _ := b.classes[i].Get().(*byte); p != nil {
				return unsafe.Slice(p, size)[:0]
			}
		}
		return make([]byte, 0, size)
	}
	return make([]byte, 0, n)
}

// Put takes a buffer back that Get has returned; others are ignored. Nothing may look into it any more.
func (b *Buffers) Put(buf []byte) {
	if b == nil {
		return
	}
	for i, size := range bufferSizes {
		if cap(buf) == size {
			b.classes[i].Put(unsafe.SliceData(buf))
		}
	}
}
