package uplink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// lanes is how many classes of severity the spool tells apart: 1, 2, 3, and everything less severe.
const lanes = 4

// laneOf puts unknown severity (0) with the least severe.
func laneOf(severity uint8) int {
	if severity == 0 {
		return lanes - 1
	}
	return min(int(severity), lanes) - 1
}

// spool keeps encoded batches on disk until the collector has them. Each lane is a row of segment files; when all together
// exceed the bound, the oldest segment of the least severe lane goes. A file goes too when all its batches are delivered, so
// after a crash some are sent twice: the stream and the store recognise them.
//
// What is appended survives a crash of the process at once, and of the machine when the kernel has written it back, half a
// minute later: waiting for the disk here would cost alerts whenever it is slow.
type spool struct {
	dir     string
	max     int64 // bytes of all segments
	segment int64 // bytes after which a segment is closed
	lock    *os.File

	mu     sync.Mutex
	rows   [lanes][]*segment // oldest first
	last   uint64            // number of the newest segment
	bytes  int64
	events int64
	shed   [lanes]uint64 // events
	faults uint64        // reads or writes that failed
}

// openSpool takes over what an earlier run left in dir.
func openSpool(dir string, limit int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spool: %s is in use by another process: %w", dir, err)
	}
	s := &spool{dir: dir, max: limit, segment: min(max(limit/16, 4<<10), 1<<20), lock: lock}
	if err := s.recover(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
}

func (s *spool) recover() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*.seg"))
	if err != nil {
		return err
	}
	for _, path := range paths { // sorted: lane, then number
		g, err := readSegment(path)
		if err != nil {
			return err
		}
		s.faults += uint64(g.damaged)
		s.last = max(s.last, g.number)
		if g.left == 0 {
			os.Remove(path)
			continue
		}
		s.rows[g.lane] = append(s.rows[g.lane], g)
		s.bytes += g.size
		s.events += g.waiting()
	}
	s.shrink()
	return nil
}

// append puts a batch of so many events into a lane. When the disk is full, what is less severe makes room.
func (s *spool) append(lane int, id string, events int, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		err := s.write(lane, id, events, payload)
		if err == nil {
			s.events += int64(events)
			s.shrink()
			return nil
		}
		s.faults++
		if !errors.Is(err, unix.ENOSPC) || !s.shedOne(lane) {
			s.shed[lane] += uint64(events)
			return fmt.Errorf("spool: %w", err)
		}
	}
}

func (s *spool) write(lane int, id string, events int, payload []byte) error {
	g := s.open(lane)
	if g == nil {
		var err error
		if g, err = createSegment(s.dir, lane, s.last+1); err != nil {
			return err
		}
		s.last++
		s.rows[lane] = append(s.rows[lane], g)
	}
	n, err := g.append(id, events, payload)
	if err != nil {
		g.close() // its tail may be torn: later batches go to a new one
		if g.left == 0 {
			s.drop(g)
		}
		return err
	}
	s.bytes += n
	if g.size >= s.segment {
		g.close()
	}
	return nil
}

// open is the segment of lane that takes batches, nil if there is none.
func (s *spool) open(lane int) *segment {
	if row := s.rows[lane]; len(row) > 0 && row[len(row)-1].file != nil {
		return row[len(row)-1]
	}
	return nil
}

// shrink sheds until the bound is kept.
func (s *spool) shrink() {
	for s.bytes > s.max && s.shedOne(0) {
	}
}

// shedOne gives up the oldest segment of the least severe lane that is not more severe than lane.
func (s *spool) shedOne(lane int) bool {
	for l := lanes - 1; l >= lane; l-- {
		if len(s.rows[l]) > 0 {
			g := s.rows[l][0]
			s.shed[l] += uint64(g.waiting())
			s.drop(g)
			return true
		}
	}
	return false
}

// drop forgets a segment and its file.
func (s *spool) drop(g *segment) {
	row := s.rows[g.lane]
	for i := range row {
		if row[i] == g {
			s.rows[g.lane] = append(row[:i:i], row[i+1:]...)
			break
		}
	}
	s.bytes -= g.size
	s.events -= g.waiting()
	g.close()
	g.gone = true
	if err := os.Remove(g.path); err != nil {
		s.faults++
	}
}

// parcel is a batch on its way.
type parcel struct {
	id      string
	lane    int
	events  int
	payload []byte
	from    *segment
	index   int
}

// next takes the oldest batch of the most severe lane that has one, nil when nothing waits. The caller hands it back by
// delivered or returned.
func (s *spool) next() *parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	for lane := range s.rows {
		for i := 0; i < len(s.rows[lane]); i++ {
			g := s.rows[lane][i]
			for r := g.queued(); r >= 0; r = g.queued() {
				p, err := g.read(r)
				if err == nil {
					g.records[r].state = inFlight
					return p
				}
				s.faults++
				s.shed[lane] += uint64(g.records[r].events)
				if s.finish(g, r); g.gone {
					i--
					break
				}
			}
		}
	}
	return nil
}

// delivered lets go of a batch that the collector has.
func (s *spool) delivered(p *parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.from.gone {
		s.finish(p.from, p.index)
	}
}

// returned puts a batch that did not arrive back in its place.
func (s *spool) returned(p *parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.from.requeue(p.index)
}

func (s *spool) finish(g *segment, r int) {
	s.events -= int64(g.records[r].events)
	g.finish(r)
	switch {
	case g.left > 0:
	case g.file == nil:
		s.drop(g)
	default: // still written to: begin it again, so that a restart finds nothing delivered in it
		size := g.size
		if err := g.rewind(); err != nil {
			s.faults++
			s.drop(g)
			return
		}
		s.bytes -= size
	}
}

// spoolStats is a snapshot.
type spoolStats struct {
	bytes, events int64
	shed          [lanes]uint64
	faults        uint64
}

func (s *spool) stats() spoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return spoolStats{bytes: s.bytes, events: s.events, shed: s.shed, faults: s.faults}
}

// close leaves what was not delivered on disk for the next run.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, row := range s.rows {
		for _, g := range row {
			errs = append(errs, g.close())
			if g.left == 0 {
				errs = append(errs, os.Remove(g.path))
			}
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
