package dcerpc

// Stream parts a byte stream into packets.
type Stream struct {
	buf []byte
	// Header, if set, is told of each packet as soon as its header is there: what remains of the bytes from its start, and its length.
	Header func(back, length int)
	told   bool
}

// Write takes the next bytes and hands each whole packet to take. It returns false when the bytes are no packets.
func (s *Stream) Write(data []byte, take func(pdu []byte)) bool {
	if len(s.buf) > 0 {
		s.buf = append(s.buf, data...)
		data = s.buf
	}
	for len(data) >= HeaderLen {
		h, ok := ParseHeader(data)
		if !ok {
			s.buf = nil
			return false
		}
		if s.Header != nil && !s.told {
			s.told = true
			s.Header(len(data), h.Length)
		}
		if len(data) < h.Length {
			break
		}
		s.told = false
		take(data[:h.Length])
		data = data[h.Length:]
	}
	s.buf = append(s.buf[:0], data...)
	return true
}

// Reset drops a packet that has begun.
func (s *Stream) Reset() { s.buf, s.told = s.buf[:0], false }
