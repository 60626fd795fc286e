package prefiltertest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
)

// Traffic is a class of payloads, one after the other.
type Traffic struct {
	Name string
	Data []byte
}

// Chunks cuts the traffic into pieces of size bytes.
func (t *Traffic) Chunks(size int) (all [][]byte) {
	for c := range slices.Chunk(t.Data, size) {
		all = append(all, c)
	}
	return all
}

// Payloads reads the captures of dir and returns up to size bytes of each class: http (messages' beginnings), text (what
// else is printable), binary (the rest, encrypted records left out) and no-runs (binary with runs of one byte shortened).
func Payloads(dir string, size int) ([]Traffic, error) {
	r := reader{size: size, seen: map[string]bool{}, classes: map[string][]byte{}}
	for _, name := range []string{"pcaps", "mix.pcap"} {
		limit := size / 8
		if name == "mix.pcap" {
			limit = 1 << 40
		}
		if err := EachPayload(filepath.Join(dir, name), limit, r.add); err != nil {
			return nil, err
		}
	}
	r.classes["no-runs"] = shortened(r.classes["binary"])
	var all []Traffic
	for _, name := range []string{"http", "text", "binary", "no-runs"} {
		all = append(all, Traffic{name, r.classes[name]})
	}
	return all, nil
}

// EachPayload calls f for the transport payloads of all captures in dir (or of the file dir), up to limit bytes of each capture.
func EachPayload(dir string, limit int, f func([]byte)) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.Ext(path), "cap") {
			return err
		}
		return eachOf(path, limit, f)
	})
	if err != nil {
		return fmt.Errorf("prefiltertest: %w", err)
	}
	return nil
}

// eachOf reads a capture. What cannot be read of it is left out: some are malformed on purpose.
func eachOf(name string, limit int, f func([]byte)) error {
	file, err := capture.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	frames := make([]capture.Frame, 64)
	var decoder decode.Decoder
	var p decode.Packet
	for limit > 0 {
		n, err := file.Recv(frames, 0)
		for _, fr := range frames[:n] {
			decoder.Decode(&p, fr.Frame)
			limit -= len(p.Payload)
			f(p.Payload)
		}
		if err == io.EOF || err != nil && n == 0 {
			return nil
		}
		if err := file.Done(frames[:n]); err != nil {
			return err
		}
	}
	return nil
}

// reader sorts payloads into classes.
type reader struct {
	size    int
	seen    map[string]bool
	classes map[string][]byte
}

// add takes a payload that is new.
func (r *reader) add(b []byte) {
	class := classOf(b)
	if class == "" || len(r.classes[class])+len(b) > r.size || r.seen[string(b)] {
		return
	}
	r.seen[string(b)] = true
	r.classes[class] = append(r.classes[class], b...)
}

func classOf(b []byte) string {
	switch {
	case len(b) < 16 || len(b) > 2 && b[0] == 0x17 && b[1] == 3:
		return ""
	case bytes.Contains(b[:min(len(b), 200)], []byte("HTTP/1.")):
		return "http"
	}
	printable := 0
	for _, c := range b {
		if ' ' <= c && c <= '~' || c == '\r' || c == '\n' || c == '\t' {
			printable++
		}
	}
	if printable*100 > len(b)*95 {
		return "text"
	}
	return "binary"
}

// shortened cuts runs of one byte to seven.
func shortened(b []byte) (out []byte) {
	run := 0
	for i, c := range b {
		if run++; i > 0 && b[i-1] != c {
			run = 1
		}
		if run < 8 {
			out = append(out, c)
		}
	}
	return out
}
