package flow

import "github.com/weir-ips/weir/pkg/flow/app"

// TCPState is how far a TCP session has come (RFC 9293 §3.3.2, as seen from between).
type TCPState uint8

// TCP session states.
const (
	TCPNone TCPState = iota
	TCPListen
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait1
	TCPFinWait2
	TCPTimeWait
	TCPLastAck
	TCPCloseWait
	TCPClosing
	TCPClosed
)

// String returns EVE's tcp.state.
func (s TCPState) String() string {
	names := [...]string{"none", "listen", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2", "time_wait", "last_ack", "close_wait", "closing", "closed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Session is a TCP connection.
type Session struct {
	State     TCPState
	Flags     [2]uint8 // all flags seen, by direction (EVE's tcp.tcp_flags_ts, tcp_flags_tc)
	Midstream bool     // the handshake was not seen
	Async     bool     // one side is not seen
	flags     sessionFlags
	Urgent    [2]uint32 // urgent bytes taken out of the stream, by direction
	cfg       *Config
	depth     uint64 // bytes of each direction that are reassembled; 0 means all

	stream [2]stream
	syns   []queuedSyn    // different SYNs of one handshake
	acks   []queuedSynAck // different SYN/ACKs of one handshake
	next   *Session       // in the pool
}

// Stream describes one direction of a session.
type Stream struct {
	ISN     uint32
	NextSeq uint32 // after the highest byte seen in window
	LastAck uint32 // the receiver has acknowledged all before
	Window  uint32 // last offered by this side, scaled
	Scale   uint8
	Gap     bool   // bytes were lost (EVE's tcp.ts_gap, tc_gap)
	Regions uint32 // most regions between gaps held at once (EVE's tcp.ts_max_regions)
}

// Info describes what dir has sent.
func (s *Session) Info(dir app.Direction) Stream {
	i := s.stream[dir].Stream
	i.Regions = max(i.Regions, 1)
	return i
}

// Inline reports whether data are inspected at once rather than when acknowledged.
func (s *Session) Inline() bool { return s.cfg.Inline }

// StoreFile says that a file of the session is to be stored, for which more of it may be reassembled (Config.StoreDepth).
func (s *Session) StoreFile() {
	if s.cfg == nil || !s.cfg.Stores {
		return
	}
	if d := s.cfg.StoreDepth; d == 0 || d > s.depth {
		s.depth = d
	}
}

// Size returns how far the sequence number of dir has come since its initial one, SYN included: stream_size.
func (s *Session) Size(dir app.Direction) uint32 {
	st := &s.stream[dir]
	return st.NextSeq - st.ISN
}

// sessionFlags are what a session remembers of its course.
type sessionFlags uint16

const (
	sessTimestamps sessionFlags = 1 << iota // both sides use timestamps
	sessFourWay                             // both sides sent a SYN
	sessConfirmed                           // data or a third ACK has confirmed the handshake
	sessMidSynAck                           // taken up at a SYN/ACK
	sessRstSeen
	sessFastOpen
	sessUnconfirmed // established by the server's data before the client's ACK was seen
)
