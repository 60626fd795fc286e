package app

import "strings"

// FrameType is a kind of frame: a part of a stream or datagram that a protocol's parser has recognised, such as a record's
// header. Its names are those of Suricata's frame keyword.
type FrameType uint8

// The frames, by protocol. FrameStream is all that one side says in a protocol.
const (
	NoFrame FrameType = iota
	FrameStream
	HTTP1Request
	HTTP1Response
	HTTP2Header
	HTTP2Data
	HTTP2PDU
	DNSPDU
	TLSPDU
	TLSHeader
	TLSData
	TLSAlert
	TLSHeartbeat
	SSL2Header
	SSL2PDU
	SSHHeader
	SSHData
	SSHPDU
	SMTPCommand
	SMTPData
	SMTPReply
	FTPCommand
	FTPReply
	NBSSPDU
	NBSSHeader
	NBSSData
	SMB1PDU
	SMB1Header
	SMB1Data
	SMB2PDU
	SMB2Header
	SMB2Data
	SMB3PDU
	SMB3Header
	SMB3Data
	DCERPCPDU
	DCERPCHeader
	DCERPCData
	NumFrameTypes
)

var frameNames = [NumFrameTypes]struct {
	proto Proto
	name  string
}{
	FrameStream: {Unknown, "stream"}, HTTP1Request: {HTTP1, "request"}, HTTP1Response: {HTTP1, "response"},
	HTTP2Header: {HTTP2, "hdr"}, HTTP2Data: {HTTP2, "data"}, HTTP2PDU: {HTTP2, "pdu"}, DNSPDU: {DNS, "pdu"},
	TLSPDU: {TLS, "pdu"}, TLSHeader: {TLS, "hdr"}, TLSData: {TLS, "data"}, TLSAlert: {TLS, "alert"}, TLSHeartbeat: {TLS, "heartbeat"},
	SSL2Header: {TLS, "ssl2.hdr"}, SSL2PDU: {TLS, "ssl2.pdu"},
	SSHHeader: {SSH, "record.hdr"}, SSHData: {SSH, "record.data"}, SSHPDU: {SSH, "record.pdu"},
	SMTPCommand: {SMTP, "command_line"}, SMTPData: {SMTP, "data"}, SMTPReply: {SMTP, "response_line"},
	FTPCommand: {FTP, "command_line"}, FTPReply: {FTP, "response_line"},
	NBSSPDU: {SMB, "nbss.pdu"}, NBSSHeader: {SMB, "nbss.hdr"}, NBSSData: {SMB, "nbss.data"},
	SMB1PDU: {SMB, "smb1.pdu"}, SMB1Header: {SMB, "smb1.hdr"}, SMB1Data: {SMB, "smb1.data"},
	SMB2PDU: {SMB, "smb2.pdu"}, SMB2Header: {SMB, "smb2.hdr"}, SMB2Data: {SMB, "smb2.data"},
	SMB3PDU: {SMB, "smb3.pdu"}, SMB3Header: {SMB, "smb3.hdr"}, SMB3Data: {SMB, "smb3.data"},
	DCERPCPDU: {DCERPC, "pdu"}, DCERPCHeader: {DCERPC, "hdr"}, DCERPCData: {DCERPC, "data"},
}

// String returns the frame's name within its protocol: "pdu", "smb1.hdr".
func (t FrameType) String() string {
	if t < NumFrameTypes {
		return frameNames[t].name
	}
	return ""
}

// FrameNamed returns the frame of a protocol by its name; dots and underscores in it are the same.
func FrameNamed(p Proto, name string) (FrameType, bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "_", ".")
	for t := FrameStream; t < NumFrameTypes; t++ {
		f := &frameNames[t]
		if (f.proto == p || t == FrameStream && p.HasFrames()) && strings.ReplaceAll(f.name, "_", ".") == name {
			return t, true
		}
	}
	return NoFrame, false
}

// HasFrames reports whether the protocol's parser marks frames.
func (p Proto) HasFrames() bool {
	for t := range frameNames {
		if frameNames[t].proto == p && p != Unknown {
			return true
		}
	}
	return false
}

// FrameSet is a set of FrameTypes.
type FrameSet uint64

// Has reports whether t is in the set.
func (s FrameSet) Has(t FrameType) bool { return s>>t&1 == 1 }

// Frame is one marked part. Offsets count the bytes of its direction, from the first one that was seen; in a datagram from its start.
type Frame struct {
	ID     uint32 // from 1 in its direction, frames that nobody asked for included
	Type   FrameType
	Dir    Direction
	Offset uint64
	Length int64  // -1: not known, or not known yet
	Tx     uint64 // TxBase.ID of the transaction it belongs to; valid iff HasTx
	HasTx  bool
	Logged bool // a record has been written
	Tried  bool // rules have looked at all of it

	Seen    uint64 // rules have looked at what lies before this offset
	Inspect any    // the detection engine's own state; nil at first
}

// End returns the offset after the frame's last byte; false while its length is not known.
func (f *Frame) End() (uint64, bool) { return f.Offset + uint64(max(f.Length, 0)), f.Length >= 0 }

// Framer is implemented by parsers that mark frames.
type Framer interface {
	// SetFrames tells the parser where to mark them. It is called once, before the first Feed.
	SetFrames(*Frames)
}

// maxFrames bounds the frames of one direction that wait for rules or records; those beyond are not kept, and counted.
const maxFrames = 1024

// Frames are the marked parts of a flow that rules or records ask for. A nil *Frames keeps nothing, so that parsers need not ask.
type Frames struct {
	Wanted FrameSet
	Lost   uint64 // frames that there was no room for

	list [2][]Frame
	next [2]uint32
	fed  [2]uint64 // offset after the last byte that the parser was given
}

// Fed says that the parser is given the bytes of dir up to offset end.
func (s *Frames) Fed(dir Direction, end uint64) { s.fed[dir] = end }

// End returns the offset after the last byte of dir that the parser was given.
func (s *Frames) End(dir Direction) uint64 { return s.fed[dir] }

// Wants reports whether somebody asks for frames of one of the types.
func (s *Frames) Wants(types ...FrameType) bool {
	if s == nil {
		return false
	}
	for _, t := range types {
		if s.Wanted.Has(t) {
			return true
		}
	}
	return false
}

// Add marks a frame that begins back bytes before the end of what the parser was given, or behind it when back is negative; length may
// reach beyond that end, or be -1 when it is not known yet. It returns the frame's number for SetLength and SetTx.
func (s *Frames) Add(dir Direction, t FrameType, back int, length int64) uint32 {
	if s == nil {
		return 0
	}
	s.next[dir]++
	if !s.Wanted.Has(t) {
		return 0
	}
	if len(s.list[dir]) >= maxFrames {
		s.Lost++
		return 0
	}
	at := uint64(max(int64(s.fed[dir])-int64(back), 0))
	s.list[dir] = append(s.list[dir], Frame{ID: s.next[dir], Type: t, Dir: dir, Offset: at, Length: length, Seen: at})
	return s.next[dir]
}

// AddTx marks a frame of a transaction.
func (s *Frames) AddTx(dir Direction, t FrameType, back int, length int64, tx *TxBase) uint32 {
	id := s.Add(dir, t, back, length)
	s.SetTx(dir, id, tx)
	return id
}

// SetLength says that frame id ends back bytes before the end of what the parser was given.
func (s *Frames) SetLength(dir Direction, id uint32, back int) {
	if f := s.frame(dir, id); f != nil && f.Length < 0 {
		end := s.fed[dir] - min(uint64(max(back, 0)), s.fed[dir])
		f.Length = int64(max(end, f.Offset) - f.Offset)
	}
}

// SetTx says which transaction frame id belongs to.
func (s *Frames) SetTx(dir Direction, id uint32, tx *TxBase) {
	if f := s.frame(dir, id); f != nil && tx != nil {
		f.Tx, f.HasTx = tx.ID, true
	}
}

func (s *Frames) frame(dir Direction, id uint32) *Frame {
	if s == nil || id == 0 {
		return nil
	}
	l := s.list[dir]
	for i := len(l) - 1; i >= 0 && l[i].ID >= id; i-- {
		if l[i].ID == id {
			return &l[i]
		}
	}
	return nil
}

// Live returns the frames of one direction that rules or records have not done with, oldest first. The slice is valid until the
// next call of the flow's parser or of Reap.
func (s *Frames) Live(dir Direction) []Frame {
	if s == nil {
		return nil
	}
	return s.list[dir]
}

// Reap forgets the frames that done reports of.
func (s *Frames) Reap(dir Direction, done func(*Frame) bool) {
	kept := s.list[dir][:0]
	for i := range s.list[dir] {
		if f := s.list[dir][i]; !done(&f) {
			kept = append(kept, f)
		}
	}
	clear(s.list[dir][len(kept):])
	s.list[dir] = kept
}

// Swap exchanges the directions.
func (s *Frames) Swap() {
	if s == nil {
		return
	}
	s.list[0], s.list[1] = s.list[1], s.list[0]
	s.next[0], s.next[1] = s.next[1], s.next[0]
	s.fed[0], s.fed[1] = s.fed[1], s.fed[0]
	for d := range s.list {
		for i := range s.list[d] {
			s.list[d][i].Dir = Direction(d)
		}
	}
}
