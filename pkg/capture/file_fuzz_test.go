package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// FuzzFile feeds hostile files: however the file is cut into reads and batches, the result is the same, and where gopacket can
// read the pcap too, it reads the same frames.
func FuzzFile(f *testing.F) {
	le, be := binary.LittleEndian, binary.BigEndian
	f.Add(pcapFile(le, magicMicro, 4, 1, 0, record{7, 5, 9000, "abcdef"}, record{8, 999999, 3, "abc"}))
	f.Add(pcapFile(be, magicNano, 4, 101, 0, record{7, 5, 9000, "abcdef"}))
	f.Add(pcapFile(le, magicModified, 4, 1, 8, record{7, 5, 3, "abc"}))
	f.Add(slices(section(le), iface(le, 1, 0), enhanced(le, 0, 7, 3, "abc"), section(be), iface(be, 113, 0), enhanced(be, 0, 7, 1, "b")))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, stats, err := readAll(bytes.NewReader(data), 16, 3)
		frames2, stats2, err2 := readAll(bytes.NewReader(data), len(data)+1, 64)
		if fmt.Sprint(frames, stats, err) != fmt.Sprint(frames2, stats2, err2) {
			t.Fatalf("small reads: %v %v %v\nlarge reads: %v %v %v", frames, stats, err, frames2, stats2, err2)
		}
		r, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil || len(data) > 5 && !is24(data) {
			return
		}
		for i, want := range frames {
			d, ci, err := r.ReadPacketData()
			if err != nil {
				return // it refuses frames longer than the snapshot length
			}
			// Times are left out: gopacket overflows on fractions above a second.
			if string(d) != want.data || ci.Length != want.wire {
				t.Fatalf("frame %d: %q %d; gopacket %q %d", i, want.data, want.wire, d, ci.Length)
			}
		}
	})
}

// is24 reports whether the pcap file is of version 2.4: gopacket does not swap the lengths of older ones.
func is24(h []byte) bool {
	return bytes.Equal(h[4:8], []byte{2, 0, 4, 0}) || bytes.Equal(h[4:8], []byte{0, 2, 0, 4})
}

// TestFileAgainstGopacket reads what gopacket wrote: an implementation that shares nothing with ours.
func TestFileAgainstGopacket(t *testing.T) {
	start := time.Unix(1_700_000_000, 123_456_789)
	for name, write := range map[string]func(w io.Writer) error{
		"pcap": func(w io.Writer) error {
			pw := pcapgo.NewWriterNanos(w)
			if err := pw.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
				return err
			}
			return writeFrames(start, pw.WritePacket)
		},
		"pcapng": func(w io.Writer) error {
			pw, err := pcapgo.NewNgWriter(w, layers.LinkTypeEthernet)
			if err != nil {
				return err
			}
			if err := writeFrames(start, pw.WritePacket); err != nil {
				return err
			}
			return pw.Flush()
		},
	} {
		var file bytes.Buffer
		if err := write(&file); err != nil {
			t.Fatal(err)
		}
		frames, _, err := readAll(&file, 1000, 13)
		if err != nil || len(frames) != 200 {
			t.Fatalf("%s: %d frames, error %v; want 200", name, len(frames), err)
		}
		for i, fr := range frames {
			want := got{string(bytes.Repeat([]byte{byte(i)}, i)), 2 * i, start.Add(time.Duration(i) * time.Millisecond).UnixNano(), uint64(i + 1), 1}
			if fr != want {
				t.Errorf("%s: frame %d: %+v; want %+v", name, i, fr, want)
			}
		}
	}
}

func writeFrames(start time.Time, write func(gopacket.CaptureInfo, []byte) error) error {
	for i := range 200 {
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Millisecond), CaptureLength: i, Length: 2 * i}
		if err := write(ci, bytes.Repeat([]byte{byte(i)}, i)); err != nil {
			return err
		}
	}
	return nil
}
