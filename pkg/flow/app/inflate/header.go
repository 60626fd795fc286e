package inflate

// Flags of a gzip header (RFC 1952 §2.3.1).
const (
	gzCRC     = 1 << 1
	gzExtra   = 1 << 2
	gzName    = 1 << 3
	gzComment = 1 << 4
)

// header reads the fixed part of the wrapping.
func (r *Reader) header(s *source) bool {
	if r.format == Zlib {
		if !s.need(16) {
			return false
		}
		cmf, flg := s.take(8), s.take(8)
		if cmf&15 != 8 || (cmf<<8|flg)%31 != 0 || flg&0x20 != 0 {
			return r.fail()
		}
		r.step = stepBlock
		return true
	}
	if s.left() < 80 {
		if s.left() >= 16 && s.need(16) && s.bits&0xffff != 0x8b1f {
			return r.fail()
		}
		return false
	}
	s.need(32)
	if s.take(16) != 0x8b1f || s.take(8) != 8 {
		return r.fail()
	}
	r.gzFlags = byte(s.take(8))
	for range 3 { // time, extra flags and operating system
		s.need(16)
		s.take(16)
	}
	r.step = stepGzipExtra
	return true
}

// gzipFields skips the optional fields in their order.
func (r *Reader) gzipFields(s *source) bool {
	switch r.step {
	case stepGzipExtra:
		r.step = stepGzipName
		if r.gzFlags&gzExtra != 0 {
			if !s.need(16) {
				r.step = stepGzipExtra
				return false
			}
			r.gzSkip, r.step = int(s.take(16)), stepGzipExtraBytes
		}
		return true
	case stepGzipExtraBytes:
		for ; r.gzSkip > 0; r.gzSkip-- {
			if !s.need(8) {
				return false
			}
			s.take(8)
		}
		r.step = stepGzipName
		return true
	case stepGzipName:
		return r.text(s, gzName, stepGzipComment)
	case stepGzipComment:
		return r.text(s, gzComment, stepGzipCRC)
	}
	if r.gzFlags&gzCRC != 0 {
		if !s.need(16) {
			return false
		}
		s.take(16)
	}
	r.step = stepBlock
	return true
}

// text skips a zero-terminated field, if its flag is set.
func (r *Reader) text(s *source, flag byte, next step) bool {
	for r.gzFlags&flag != 0 {
		if !s.need(8) {
			return false
		}
		if s.take(8) == 0 {
			break
		}
	}
	r.step = next
	return true
}
