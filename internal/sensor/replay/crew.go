package replay

import (
	"sync"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures"
)

// crew is the workers of one capture.
type crew interface {
	frame(f *decode.Frame)
	// close ends all flows, writes the stats record, and returns the counters.
	close() path.Stats
}

// workers starts the crew of one capture.
func (r *Replay) workers(name string) crew {
	shared := signatures.NewShared()
	if r.opts.Workers <= 1 {
		return &single{path.New(r.config(name, shared))}
	}
	addresses := *r.opts.Settings.Decoder
	addresses.Checksums = false // that is the workers' business
	t := &team{shard: shard{dec: &addresses}}
	for range r.opts.Workers {
		m := &member{path: path.New(r.config(name, shared)), in: make(chan *parcel, 4), free: make(chan *parcel, 8)}
		t.members = append(t.members, m)
		t.done.Add(1)
		go func() {
			defer t.done.Done()
			m.run()
		}()
	}
	return t
}

// single works on the reader's goroutine.
type single struct{ path *path.Path }

func (s *single) frame(f *decode.Frame) { s.path.Process(*f) }

func (s *single) close() path.Stats {
	s.path.Close()
	stats := s.path.Stats()
	s.path.LogStats(&stats)
	return stats
}

// team spreads conversations over several workers.
type team struct {
	shard   shard
	members []*member
	done    sync.WaitGroup
}

// member is one worker with its queue; parcels go round between reader and worker.
type member struct {
	path    *path.Path
	in      chan *parcel
	free    chan *parcel
	filling *parcel
}

// parcel is a number of frames with their bytes.
type parcel struct {
	frames []decode.Frame
	data   []byte
}

const parcelBytes = 256 << 10

func (t *team) frame(f *decode.Frame) {
	m := t.members[t.shard.of(f)%uint64(len(t.members))]
	p := m.parcel()
	if len(p.frames) == batch || len(p.data)+len(f.Data) > cap(p.data) && len(p.frames) > 0 {
		m.send()
		p = m.parcel()
	}
	at := len(p.data)
	p.data = append(p.data, f.Data...) // grows only while the parcel is empty: earlier frames keep pointing into it
	g := *f
	g.Data = p.data[at:len(p.data):len(p.data)]
	p.frames = append(p.frames, g)
}

func (m *member) parcel() *parcel {
	if m.filling == nil {
		select {
		case m.filling = <-m.free:
			m.filling.frames, m.filling.data = m.filling.frames[:0], m.filling.data[:0]
		default:
			m.filling = &parcel{frames: make([]decode.Frame, 0, batch), data: make([]byte, 0, parcelBytes)}
		}
	}
	return m.filling
}

func (m *member) send() {
	m.in <- m.filling
	m.filling = nil
}

func (m *member) run() {
	for p := range m.in {
		for i := range p.frames {
			m.path.Process(p.frames[i])
		}
		select {
		case m.free <- p:
		default:
		}
	}
	m.path.Close()
}

func (t *team) close() path.Stats {
	for _, m := range t.members {
		if m.filling != nil {
			m.send()
		}
		close(m.in)
	}
	t.done.Wait()
	var all path.Stats
	for i, m := range t.members {
		s := m.path.Stats()
		if i == 0 {
			all = s
			continue
		}
		all.Add(&s)
	}
	all.Rules = t.members[0].path.Stats().Rules
	t.members[0].path.LogStats(&all)
	return all
}

// shard chooses a worker by the innermost addresses, in either order: fragments and announced connections (FTP) follow
// their conversation.
type shard struct {
	dec    *decode.Decoder
	packet [2]decode.Packet
}

func (s *shard) of(f *decode.Frame) uint64 {
	p, inner := &s.packet[0], &s.packet[1]
	s.dec.Decode(p, *f)
	for range decode.MaxDepth {
		if p.Tunnel == decode.NoTunnel || !s.dec.Inner(p, inner) {
			break
		}
		p, inner = inner, p
	}
	if p.IPVersion == 0 {
		return 0
	}
	return half(&p.Src) + half(&p.Dst) // commutative: both directions meet
}

// half hashes one address (FNV-1a).
func half(a *decode.Addr) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range a {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h ^ h>>32
}
