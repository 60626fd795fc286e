package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weir-ips/weir/pkg/decode"
)

// got is what a test compares of a frame.
type got struct {
	data   string
	wire   int
	time   int64
	number uint64
	link   decode.LinkType
}

// readAll reads r to its end in batches of size batch.
func readAll(r io.Reader, buffer, batch int) (frames []got, stats Stats, err error) {
	f, err := newFile(r, "test.pcap", buffer)
	if err != nil {
		return nil, Stats{}, err
	}
	buf := make([]Frame, batch)
	for {
		n, err := f.Recv(buf, 0)
		for _, fr := range buf[:n] {
			frames = append(frames, got{string(fr.Data), fr.WireLen, fr.Time, fr.Number, fr.Link})
		}
		if err == io.EOF {
			return frames, f.Stats(), nil
		}
		if err != nil {
			return frames, f.Stats(), err
		}
	}
}

type record struct {
	sec, frac, wire uint32
	data            string
}

// pcapFile builds a pcap file; extra bytes follow each record header.
func pcapFile(o binary.AppendByteOrder, magic uint32, minor uint16, link uint32, extra int, records ...record) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, minor)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 65535)
	b = o.AppendUint32(b, link)
	for _, r := range records {
		b = o.AppendUint32(b, r.sec)
		b = o.AppendUint32(b, r.frac)
		a, z := uint32(len(r.data)), r.wire
		if minor < 3 {
			a, z = z, a
		}
		b = o.AppendUint32(b, a)
		b = o.AppendUint32(b, z)
		b = append(b, make([]byte, extra)...)
		b = append(b, r.data...)
	}
	return b
}

// block builds a pcapng block around body, padded.
func block(o binary.AppendByteOrder, kind uint32, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	for len(all)%4 != 0 {
		all = append(all, 0)
	}
	b := o.AppendUint32(nil, kind)
	b = o.AppendUint32(b, uint32(len(all)+12))
	b = append(b, all...)
	return o.AppendUint32(b, uint32(len(all)+12))
}

func u16s(o binary.AppendByteOrder, v ...uint16) (b []byte) {
	for _, x := range v {
		b = o.AppendUint16(b, x)
	}
	return b
}

func u32s(o binary.AppendByteOrder, v ...uint32) (b []byte) {
	for _, x := range v {
		b = o.AppendUint32(b, x)
	}
	return b
}

func section(o binary.AppendByteOrder) []byte {
	return block(o, blockSection, u32s(o, orderMagic), u16s(o, 1, 0), u32s(o, 0xffffffff, 0xffffffff))
}

func iface(o binary.AppendByteOrder, link uint16, snaplen uint32, options ...[]byte) []byte {
	return block(o, blockInterface, u16s(o, link, 0), u32s(o, snaplen), bytes.Join(options, nil))
}

func enhanced(o binary.AppendByteOrder, id uint32, ts uint64, wire uint32, data string) []byte {
	return block(o, blockEnhanced, u32s(o, id, uint32(ts>>32), uint32(ts), uint32(len(data)), wire), []byte(data))
}

func TestFile(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	frame := strings.Repeat("frame ", 20)
	const sec, us = int64(1e9), int64(1e3)
	resol := func(o binary.AppendByteOrder, v byte) []byte {
		return append(u16s(o, optTSResol, 1), v, 0, 0, 0)
	}
	tests := []struct {
		name string
		file []byte
		want []got
	}{
		{"microseconds, little endian", pcapFile(le, magicMicro, 4, 1, 0, record{7, 5, 9000, frame}, record{8, 999999, 3, "abc"}),
			[]got{{frame, 9000, 7*sec + 5*us, 1, 1}, {"abc", 3, 8*sec + 999999*us, 2, 1}}},
		{"microseconds, big endian", pcapFile(be, magicMicro, 4, 101, 0, record{7, 5, 3, "abc"}), []got{{"abc", 3, 7*sec + 5*us, 1, 101}}},
		{"nanoseconds, little endian", pcapFile(le, magicNano, 4, 276, 0, record{7, 5, 3, "abc"}), []got{{"abc", 3, 7*sec + 5, 1, 276}}},
		{"nanoseconds, big endian", pcapFile(be, magicNano, 4, 113, 0, record{1<<32 - 1, 5, 3, "abc"}), []got{{"abc", 3, (1<<32-1)*sec + 5, 1, 113}}},
		{"modified", pcapFile(le, magicModified, 4, 1, 8, record{7, 5, 3, "abc"}, record{8, 5, 3, "abd"}),
			[]got{{"abc", 3, 7*sec + 5*us, 1, 1}, {"abd", 3, 8*sec + 5*us, 2, 1}}},
		{"version 2.2 has the lengths swapped", pcapFile(le, magicMicro, 2, 1, 0, record{7, 0, 60, "abc"}), []got{{"abc", 60, 7 * sec, 1, 1}}},
		{"length of check sequence above the link type", pcapFile(le, magicMicro, 4, 0x24000001, 0, record{7, 0, 3, "abc"}), []got{{"abc", 3, 7 * sec, 1, 1}}},
		{"raw as 12", pcapFile(le, magicMicro, 4, 12, 0, record{7, 0, 3, "abc"}), []got{{"abc", 3, 7 * sec, 1, decode.LinkRaw}}},
		{"empty frame; length on the wire below the captured", pcapFile(le, magicMicro, 4, 1, 0, record{7, 0, 0, ""}, record{7, 0, 1, "abc"}),
			[]got{{"", 0, 7 * sec, 1, 1}, {"abc", 3, 7 * sec, 2, 1}}},
		{"no frames", pcapFile(le, magicMicro, 4, 1, 0), nil},
		{"pcapng", slices(section(le), iface(le, 1, 0), enhanced(le, 0, 7_000_005, 3, "abc"), enhanced(le, 0, 8_000_000, 9000, frame)),
			[]got{{"abc", 3, 7*sec + 5*us, 1, 1}, {frame, 9000, 8 * sec, 2, 1}}},
		{"pcapng, interfaces of several types, unknown blocks", slices(section(le), iface(le, 1, 0), iface(le, 101, 0, resol(le, 9)),
			block(le, 0x0bad, []byte("whatever")), enhanced(le, 1, 7_000_000_005, 3, "raw"), enhanced(le, 0, 7, 3, "eth")),
			[]got{{"raw", 3, 7*sec + 5, 1, 101}, {"eth", 3, 7 * us, 2, 1}}},
		{"pcapng, big-endian section after a little-endian one", slices(section(le), iface(le, 1, 0), enhanced(le, 0, 1, 1, "a"),
			section(be), iface(be, 113, 0, resol(be, 0x80|10)), enhanced(be, 0, 7<<10|512, 1, "b")),
			[]got{{"a", 1, us, 1, 1}, {"b", 1, 7*sec + sec/2, 2, 113}}},
		{"pcapng, time offset", slices(section(le), iface(le, 1, 0, u16s(le, optTSOffset, 8), u32s(le, 100, 0), u16s(le, 0, 0)),
			enhanced(le, 0, 1_000_000, 1, "a")), []got{{"a", 1, 101 * sec, 1, 1}}},
		{"pcapng, time beyond 64 bits of nanoseconds", slices(section(le), iface(le, 1, 0, resol(le, 0)), enhanced(le, 0, 1<<62, 1, "a")),
			[]got{{"a", 1, 1<<63 - 1, 1, 1}}},
		{"pcapng, simple and obsolete packet blocks", slices(section(be), iface(be, 1, 5), block(be, blockSimple, u32s(be, 100), []byte("abcdefgh")),
			block(be, blockPacket, u16s(be, 0, 9), u32s(be, 0, 3, 2, 64), []byte("hi"))),
			[]got{{"abcde", 100, 0, 1, 1}, {"hi", 64, 3 * us, 2, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, read := range []struct{ buffer, batch int }{{1, 1}, {32, 7}, {readSize, 256}} {
				frames, stats, err := readAll(iotest.OneByteReader(bytes.NewReader(tt.file)), read.buffer, read.batch)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(frames) != fmt.Sprint(tt.want) {
					t.Errorf("buffer %d, batch %d:\n got %v\nwant %v", read.buffer, read.batch, frames, tt.want)
				}
				if stats.Frames != uint64(len(tt.want)) || stats.Truncated != 0 {
					t.Errorf("stats %+v", stats)
				}
			}
		})
	}
}

func slices(b ...[]byte) []byte { return bytes.Join(b, nil) }

func TestFileCutShort(t *testing.T) {
	le := binary.LittleEndian
	files := map[string][]byte{
		"pcap":   pcapFile(le, magicMicro, 4, 1, 0, record{7, 5, 3, "abc"}, record{8, 5, 4, "abcd"}),
		"pcapng": slices(section(le), iface(le, 1, 0), enhanced(le, 0, 1, 3, "abc"), enhanced(le, 0, 2, 4, "abcd")),
	}
	last := map[string]int{"pcap": 20, "pcapng": 36}
	for name, file := range files {
		for cut := 1; cut < last[name]; cut++ {
			frames, stats, err := readAll(bytes.NewReader(file[:len(file)-cut]), 64, 8)
			if err != nil || len(frames) != 1 || stats.Truncated != 1 {
				t.Fatalf("%s less %d bytes: %d frames, %d truncated, error %v; want 1, 1 and none", name, cut, len(frames), stats.Truncated, err)
			}
		}
		frames, stats, err := readAll(bytes.NewReader(file[:len(file)-last[name]]), 64, 8)
		if err != nil || len(frames) != 1 || stats.Truncated != 0 {
			t.Fatalf("%s less its last record: %d frames, %d truncated, error %v; want 1, 0 and none", name, len(frames), stats.Truncated, err)
		}
	}
}

func TestFileErrors(t *testing.T) {
	le := binary.LittleEndian
	good := slices(section(le), iface(le, 1, 0))
	tests := []struct {
		name    string
		file    []byte
		damaged bool
		want    string
	}{
		{"empty", nil, false, "byte 0: not a capture file: shorter than 4 bytes"},
		{"text", []byte("it was a dark and stormy night"), false, "byte 0: not a capture file: it begins 69 74 20 77; pcap or pcapng expected"},
		{"gzip", []byte("\x1f\x8b\x08\x00 and then something longer"), false, "gzip: decompress it first"},
		{"header cut", pcapFile(le, magicMicro, 4, 1, 0)[:23], false, "shorter than pcap's header of 24 bytes"},
		{"version", slices(pcapFile(le, magicMicro, 4, 1, 0)[:4], u16s(le, 3, 4), make([]byte, 16)), false, "byte 4: pcap version 3.4; version 2 expected"},
		{"record too long", pcapFile(le, magicMicro, 4, 1, 0, record{0, 0, 1, "a"}, record{0, 0, 1 << 20, strings.Repeat("a", MaxFrame+1)}), true,
			"byte 49: a record of 262145 bytes; at most 262144 expected"},
		{"section header cut", section(le)[:20], false, "byte 0: not a capture file: shorter than pcapng's section header"},
		{"byte order", slices(u32s(le, blockSection, 28, 0x01020304), make([]byte, 16)), false, "byte 8: byte-order magic 04 03 02 01"},
		{"section version", block(le, blockSection, u32s(le, orderMagic), u16s(le, 2, 0), u32s(le, 0, 0)), true, "pcapng major version 2; 1 expected"},
		{"short block", slices(good, u32s(le, 6, 8, 8)), true, "byte 52: a block of 8 bytes"},
		{"odd block", slices(good, u32s(le, 6, 33, 8)), true, "byte 52: a block of 33 bytes"},
		{"huge block", slices(good, u32s(le, 6, 1<<31, 8)), true, "byte 52: a block of 2147483648 bytes"},
		{"trailer", slices(good, u32s(le, 99, 16, 0, 20)), true, "byte 60: the block ends with length 20 and begins with 16"},
		{"no such interface", slices(good, enhanced(le, 1, 0, 1, "a")), true, "byte 48: the file is damaged: a packet of interface 1; the section has 1"},
		{"packet beyond its block", slices(good, block(le, blockEnhanced, u32s(le, 0, 0, 0, 100, 100), []byte("abcd"))), true, "a packet of 100 bytes in a block with room for 4"},
		{"simple before interface", slices(section(le), block(le, blockSimple, u32s(le, 1), []byte("a"))), true, "byte 28: the file is damaged: a packet before any interface block"},
		{"resolution", slices(section(le), iface(le, 1, 0, u16s(le, optTSResol, 1), []byte{20, 0, 0, 0})), true, "if_tsresol 0x14"},
		{"option beyond its block", slices(section(le), iface(le, 1, 0, u16s(le, optTSResol, 100))), true, "option 9 of an interface block: 100 bytes where 0 are left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := readAll(bytes.NewReader(tt.file), 64, 8)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "capture: test.pcap: byte ") {
				t.Errorf("error %q; want one with %q", err, tt.want)
			}
			if errors.Is(err, ErrDamaged) != tt.damaged {
				t.Errorf("error %q is ErrDamaged: %v; want %v", err, !tt.damaged, tt.damaged)
			}
		})
	}
}

func TestFileTooManyInterfaces(t *testing.T) {
	le := binary.LittleEndian
	file := append(section(le), bytes.Repeat(iface(le, 1, 0), maxInterfaces+1)...)
	if _, _, err := readAll(bytes.NewReader(file), readSize, 8); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "more than 65536 interfaces") {
		t.Errorf("error %v; want a refusal of the interface", err)
	}
}

func TestFileReadError(t *testing.T) {
	file := pcapFile(binary.LittleEndian, magicMicro, 4, 1, 0, record{7, 5, 3, "abc"})
	broken := errors.New("the disk is on fire")
	frames, _, err := readAll(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)), 64, 8)
	if len(frames) != 1 || !errors.Is(err, broken) || !strings.Contains(err.Error(), "byte 43") {
		t.Errorf("%d frames, error %v; want 1 and the reader's error at byte 43", len(frames), err)
	}
}

func TestFileAllocatesNothing(t *testing.T) {
	le := binary.LittleEndian
	for name, file := range map[string][]byte{
		"pcap":   pcapFile(le, magicMicro, 4, 1, 0, many(1000)...),
		"pcapng": slices(section(le), iface(le, 1, 0), bytes.Repeat(enhanced(le, 0, 1, 60, strings.Repeat("x", 60)), 1000)),
	} {
		f, err := newFile(bytes.NewReader(file), name, 4096)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]Frame, 16)
		if allocs := testing.AllocsPerRun(20, func() {
			if n, err := f.Recv(buf, 0); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations per batch", name, allocs)
		}
	}
}

func many(n int) []record {
	records := make([]record, n)
	for i := range records {
		records[i] = record{uint32(i), uint32(i), 60, strings.Repeat("x", 60)}
	}
	return records
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	if err := os.WriteFile(path, pcapFile(binary.LittleEndian, magicMicro, 4, 1, 0, many(3)...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]Frame, 8)
	if n, err := f.Recv(buf, 0); n != 3 || err != nil {
		t.Errorf("Recv: %d, %v; want 3 frames", n, err)
	}
	if n, err := f.Recv(buf, 0); n != 0 || err != io.EOF {
		t.Errorf("Recv: %d, %v; want the end", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(filepath.Dir(path)); err == nil || strings.Contains(err.Error(), "not a capture file") || strings.Count(err.Error(), "byte 0") != 1 {
		t.Errorf("opening a folder: %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening a missing file: %v", err)
	}
}

func BenchmarkFile(b *testing.B) {
	file := pcapFile(binary.LittleEndian, magicMicro, 4, 1, 0, many(100_000)...)
	b.SetBytes(int64(len(file)) / 100_000)
	buf := make([]Frame, 256)
	frames := 0
	for frames < b.N {
		f, err := NewFile(bytes.NewReader(file), "memory")
		if err != nil {
			b.Fatal(err)
		}
		for {
			n, err := f.Recv(buf, 0)
			if err != nil {
				break
			}
			frames += n
		}
	}
}
