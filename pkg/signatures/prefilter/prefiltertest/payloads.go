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
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, "pcaps"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(filepath.Ext(path), "cap") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prefiltertest: %w", err)
	}
	for _, f := range append(files, filepath.Join(dir, "mix.pcap")) {
		if err := r.file(f); err != nil {
			return nil, fmt.Errorf("prefiltertest: %w", err)
		}
	}
	r.classes["no-runs"] = shortened(r.classes["binary"])
	var all []Traffic
	for _, name := range []string{"http", "text", "binary", "no-runs"} {
		all = append(all, Traffic{name, r.classes[name]})
	}
	return all, nil
}

type reader struct {
	size    int
	seen    map[string]bool
	classes map[string][]byte
	decoder decode.Decoder
}

// file adds the payloads of a capture. What cannot be read of it is left out: some are malformed on purpose.
func (r *reader) file(name string) error {
	f, err := capture.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	frames := make([]capture.Frame, 64)
	var p decode.Packet
	taken := 0
	for {
		n, err := f.Recv(frames, 0)
		for _, fr := range frames[:n] {
			r.decoder.Decode(&p, fr.Frame)
			if taken < r.size/8 || strings.HasSuffix(name, "mix.pcap") {
				taken += r.add(p.Payload)
			}
		}
		if err == io.EOF || err != nil && n == 0 {
			return nil
		}
		if err := f.Done(frames[:n]); err != nil {
			return err
		}
	}
}

// add takes a payload that is new, and returns how many bytes it took.
func (r *reader) add(b []byte) int {
	class := classOf(b)
	if class == "" || len(r.classes[class])+len(b) > r.size || r.seen[string(b)] {
		return 0
	}
	r.seen[string(b)] = true
	r.classes[class] = append(r.classes[class], b...)
	return len(b)
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
