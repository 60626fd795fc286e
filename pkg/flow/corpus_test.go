package flow_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

// reader is a Handler that looks at everything that rules would look at, and counts it.
type reader struct {
	t     testing.TB
	raw   [2]uint64
	ended int
	flush int
}

func (h *reader) look(r *flow.Result) {
	if r.Flow == nil || r.Flow.TCP == nil {
		return
	}
	for {
		data, _ := r.Flow.TCP.Inspectable(r.Dir)
		if data == nil {
			return
		}
		h.raw[r.Dir] += uint64(len(data))
		r.Flow.TCP.Advance(r.Dir)
	}
}

func (h *reader) Flush(p *decode.Packet, r *flow.Result) { h.flush++; h.look(r) }
func (h *reader) End(*flow.Flow)                         { h.ended++ }

// TestCaptures runs every capture of the test data through decoder and tracker, in both modes of inspection.
func TestCaptures(t *testing.T) {
	root := dataRoot()
	var files []string
	for _, dir := range []string{"pcaps", "suricata-verify"} {
		_ = filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				switch filepath.Ext(path) {
				case ".pcap", ".pcapng", ".cap":
					files = append(files, path)
				}
			}
			return nil
		})
	}
	if len(files) == 0 {
		t.Skipf("no captures under %s; set WEIR_DATA to run them", root)
	}
	for _, inline := range []bool{false, true} {
		cfg := flow.NewConfig()
		cfg.Inline, cfg.IPS, cfg.Midstream = inline, inline, true
		h := &reader{t: t}
		tr := flow.NewTracker(cfg, decode.Default(), h)
		for _, path := range files {
			replay(t, tr, h, path)
		}
		s := tr.Stats()
		if s.Flow.Active != 0 || s.TCP.Active != 0 || s.TCP.ReassemblyMemUse != 0 {
			t.Errorf("inline %v: %d flows, %d sessions, %d bytes left after the end", inline, s.Flow.Active, s.TCP.Active, s.TCP.ReassemblyMemUse)
		}
		if uint64(h.ended) != s.Flow.Total {
			t.Errorf("inline %v: %d flows, %d ended", inline, s.Flow.Total, h.ended)
		}
		t.Logf("inline %v: %d files, %d flows, %d sessions, raw %v, gaps %d, overlaps %d", inline, len(files), s.Flow.Total, s.TCP.Sessions, h.raw, s.TCP.Gap, s.TCP.Overlap)
	}
}

// dataRoot is where the test data was unpacked.
func dataRoot() string {
	if dir := os.Getenv("WEIR_DATA"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "."
	}
	return filepath.Join(cache, "weir-data")
}

func replay(t testing.TB, tr *flow.Tracker, h *reader, path string) (frames int) {
	src, err := capture.Open(path)
	if err != nil {
		return 0
	}
	defer src.Close()
	batch := make([]capture.Frame, 64)
	var last int64
	for {
		n, err := src.Recv(batch, time.Second)
		for i := range batch[:n] {
			frames++
			last = batch[i].Time
			for _, p := range tr.Unpack(batch[i].Frame) {
				r := tr.Track(p)
				h.look(&r)
				tr.Done(&r)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, capture.ErrDamaged) {
				t.Logf("%s: %v", path, err)
			}
			break
		}
		_ = src.Done(batch[:n])
	}
	tr.Close(last)
	return frames
}

// BenchmarkMix decodes and tracks the data's mixed traffic, without protocols and rules.
func BenchmarkMix(b *testing.B) {
	path := filepath.Join(dataRoot(), "mix.pcap")
	if _, err := os.Stat(path); err != nil {
		b.Skipf("no %s; set WEIR_DATA", path)
	}
	h := &reader{t: b}
	frames := 0
	for b.Loop() {
		tr := flow.NewTracker(flow.NewConfig(), decode.Default(), h)
		frames += replay(b, tr, h, path)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
}
