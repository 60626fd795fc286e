package app

import "testing"

func TestFramesOfNobodyAreNotKept(t *testing.T) {
	var none *Frames
	none.SetLength(ToServer, none.Add(ToServer, TLSPDU, 1, 1), 0)
	none.SetTx(ToServer, 1, &TxBase{})
	none.Swap()
	if none.Wants(TLSPDU) || none.Live(ToServer) != nil {
		t.Error("frames are kept where there is nobody to look at them")
	}
	s := &Frames{Wanted: 1 << TLSHeader}
	s.Fed(ToClient, 100)
	if id := s.Add(ToClient, TLSPDU, 60, 50); id != 0 {
		t.Errorf("a frame that nobody wants has the number %d", id)
	}
	if id := s.Add(ToClient, TLSHeader, 60, 5); id != 2 || len(s.Live(ToClient)) != 1 || len(s.Live(ToServer)) != 0 {
		t.Errorf("number %d, want 2: those that nobody wants count", id)
	}
}

func TestFramePlaces(t *testing.T) {
	s := &Frames{Wanted: 1<<HTTP1Request | 1<<SMTPData}
	s.Fed(ToServer, 1000)
	for _, c := range []struct {
		back        int
		length      int64
		end         int // passed to SetLength; negative: not called
		offset, all uint64
		known       bool
	}{
		{100, 40, -1, 900, 940, true},
		{100, -1, -1, 900, 900, false},
		{100, -1, 30, 900, 970, true},
		{100, -1, 200, 900, 900, true},  // an end before its start: empty
		{2000, 10, -1, 0, 10, true},     // before the first byte
		{-5, 10, -1, 1005, 1015, true},  // behind the last
		{100, 40, 0, 900, 940, true},    // a length that is known stays
		{10, 5000, -1, 990, 5990, true}, // goes on
	} {
		id := s.AddTx(ToServer, HTTP1Request, c.back, c.length, &TxBase{ID: 7})
		if c.end >= 0 {
			s.SetLength(ToServer, id, c.end)
		}
		f := s.frame(ToServer, id)
		if end, known := f.End(); f.Offset != c.offset || end != c.all || known != c.known || !f.HasTx || f.Tx != 7 {
			t.Errorf("%+v: frame %+v", c, f)
		}
	}
	s.Swap()
	if l := s.Live(ToClient); len(l) != 8 || l[0].Dir != ToClient || len(s.Live(ToServer)) != 0 || s.End(ToClient) != 1000 {
		t.Errorf("after the sides were exchanged: %+v", l)
	}
	s.Reap(ToClient, func(f *Frame) bool { return f.Length != -1 })
	if l := s.Live(ToClient); len(l) != 1 || l[0].ID != 2 || s.frame(ToClient, 2) == nil || s.frame(ToClient, 3) != nil {
		t.Errorf("%+v is left, want the one without end", l)
	}
}

func TestFramesAreBounded(t *testing.T) {
	s := &Frames{Wanted: 1 << TLSPDU}
	for range maxFrames + 3 {
		s.Add(ToServer, TLSPDU, 0, 5)
	}
	if len(s.Live(ToServer)) != maxFrames || s.Lost != 3 {
		t.Errorf("%d frames are kept, %d lost", len(s.Live(ToServer)), s.Lost)
	}
}

func TestFrameNames(t *testing.T) {
	for typ := FrameStream; typ < NumFrameTypes; typ++ {
		p := frameNames[typ].proto
		if typ == FrameStream {
			p = SSH
		}
		if got, ok := FrameNamed(p, typ.String()); !ok || got != typ {
			t.Errorf("%v.%v is found as %v", p, typ, got)
		}
	}
	for _, c := range []struct {
		p    Proto
		name string
		want FrameType
	}{{SSH, "record_hdr", SSHHeader}, {SMTP, "command.line", SMTPCommand}, {SMB, "SMB1.hdr", SMB1Header}, {TLS, "smb1.hdr", NoFrame}, {QUIC, "stream", NoFrame}} {
		if got, ok := FrameNamed(c.p, c.name); got != c.want || ok != (c.want != NoFrame) {
			t.Errorf("%v %s is %v", c.p, c.name, got)
		}
	}
}
