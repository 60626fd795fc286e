package threshold

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/decode"
)

// Service is something that people log in to.
type Service uint8

// The services whose logins are watched.
const (
	NoService Service = iota
	SSH
	FTP
	SMTP
	POP3
	IMAP
	Telnet
	RDP
	VNC
	numServices
)

var serviceNames = [numServices]string{"", "ssh", "ftp", "smtp", "pop3", "imap", "telnet", "rdp", "vnc"}

// String returns the service's name as EVE's app_proto has it.
func (s Service) String() string { return serviceNames[s] }

// ServiceAt returns the service that usually listens on a TCP port.
func ServiceAt(port uint16) Service {
	switch port {
	case 21:
		return FTP
	case 22:
		return SSH
	case 23, 2323:
		return Telnet
	case 25, 465, 587:
		return SMTP
	case 110:
		return POP3
	case 143:
		return IMAP
	case 3389:
		return RDP
	case 5900:
		return VNC
	}
	return NoService
}

// Session is a conversation that has ended after a complete handshake.
type Session struct {
	Flow     uint64
	Src, Dst decode.Addr
	Port     uint16
	Service  Service
	Start    int64 // Unix ns
	End      int64
	Packets  uint64 // of the client
}

// A session that failed to log in is over soon: a key exchange and a few attempts.
const (
	shortTime    = int64(30e9)
	shortPackets = 40
	loginWindow  = 6 // slots
	loginSlot    = int64(10e9)
	maxTries     = 8192 // pairs watched at once; new ones are not watched meanwhile, and counted
)

type attempt struct {
	src, dst decode.Addr
	service  Service
}

type tries struct {
	slots       [loginWindow]uint32
	head        int64
	on          bool
	port        uint16
	since, last int64
	told        int64
	total, peak uint64
	first       Sample
}

// logins counts, by source, host and service, what looks like guessing. Sources are real: they have completed handshakes.
type logins struct {
	tries   map[attempt]*tries
	swept   int64
	Refused uint64
}

// Ended takes a conversation that is over.
func (d *Detector) Ended(s *Session) {
	d.requests.done(s.Flow)
	silent := s.Service == FTP || s.Service == SMTP || s.Service == POP3 || s.Service == IMAP // they say that a login failed
	if s.Service == NoService || silent || s.End-s.Start > shortTime || s.Packets > shortPackets {
		return
	}
	d.logins.add(d, attempt{s.Src, s.Dst, s.Service}, s.Port, Sample{Time: s.Start, Src: s.Src, Dst: s.Dst, DstPort: s.Port, Proto: decode.ProtoTCP})
}

// reply looks for a server's refusal of a login.
func (d *Detector) reply(p *decode.Packet, f *Facts) {
	b := p.Payload
	failed := false
	switch f.Service {
	case FTP:
		failed = bytes.HasPrefix(b, []byte("530 "))
	case SMTP:
		failed = bytes.HasPrefix(b, []byte("535 ")) || bytes.HasPrefix(b, []byte("535-"))
	case POP3:
		failed = bytes.HasPrefix(b, []byte("-ERR"))
	case IMAP:
		failed = bytes.Contains(b[:min(len(b), 32)], []byte(" NO "))
	}
	if failed && f.Answered {
		s := sampleOf(p)
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		d.logins.add(d, attempt{p.Dst, p.Src, f.Service}, p.SrcPort, s)
	}
}

func (l *logins) add(d *Detector, k attempt, port uint16, s Sample) {
	if d.limits.Logins == 0 {
		return
	}
	t := l.tries[k]
	if t == nil {
		if len(l.tries) >= maxTries {
			l.Refused++
			return
		}
		t = &tries{port: port, since: s.Time, first: s}
		l.tries[k] = t
	}
	t.advance(d.now / loginSlot)
	t.slots[t.head%loginWindow]++
	t.total++
	t.last = d.now
	n := t.sum()
	t.peak = max(t.peak, n)
	if n >= uint64(d.limits.Logins) && !t.on && d.room() {
		t.on, t.told = true, d.now
		d.emit(t.event(Start, k, d))
	}
}

func (t *tries) advance(to int64) {
	if to-t.head >= loginWindow {
		t.slots, t.head = [loginWindow]uint32{}, to
	}
	for t.head < to {
		t.head++
		t.slots[t.head%loginWindow] = 0
	}
}

func (t *tries) sum() (n uint64) {
	for _, c := range t.slots {
		n += uint64(c)
	}
	return n
}

// tick ends, every few seconds, what has been quiet for a minute, and forgets it.
func (l *logins) tick(d *Detector) {
	if d.now-l.swept < loginSlot/10 {
		return
	}
	l.swept = d.now
	for k, t := range l.tries {
		switch {
		case d.now-t.last >= scanWindow:
			if t.on {
				d.emit(t.event(End, k, d))
			}
			delete(l.tries, k)
		case t.on && d.now-t.told >= updateEvery:
			t.told = d.now
			d.emit(t.event(Update, k, d))
		}
	}
}

func (t *tries) event(phase Phase, k attempt, d *Detector) Detection {
	return Detection{Vector: BruteForce, Phase: phase, Since: t.since, Src: k.src, Dst: k.dst, Port: t.port, Proto: decode.ProtoTCP,
		Name: k.service.String(), Value: t.sum(), Threshold: uint64(d.limits.Logins), Window: loginWindow * loginSlot, Peak: t.peak,
		Packets: t.total, Sources: 1, Samples: []Sample{t.first}}
}

func (l *logins) close(d *Detector) {
	for k, t := range l.tries {
		if t.on {
			d.emit(t.event(End, k, d))
		}
	}
	clear(l.tries)
}
