package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
)

// Dimensions of a sketch, and what an encoded one may be at most.
const (
	SketchRows   = 2
	SketchWidth  = 1 << 14 // cells of a row
	MaxPlanes    = 8
	MaxSketch    = 48 << 10 // bytes, encoded and compressed
	sketchFormat = 1
	maxSketchRaw = MaxPlanes * (SketchRows*SketchWidth*6 + maxVector + 32)
	maxShift     = 16
)

// SketchPlan is what all sensors build their sketches by. Its seed is a secret of the fleet: who knew it could choose addresses that
// share their cells with others.
type SketchPlan struct {
	Epoch uint64    `json:"epoch"` // sketches of one epoch add up
	Seed  uint64    `json:"seed"`
	Ask   []Inquiry `json:"ask,omitempty"`
}

// Inquiry asks sensors to name the destinations of a vector that lie in one of the cells of each row: cells that are heavy in the sum.
type Inquiry struct {
	Vector string               `json:"v"`
	Cells  [SketchRows][]uint16 `json:"c"`
}

// MaxAsked is how many cells of a row may be asked for, of each vector.
const MaxAsked = 128

func (p *SketchPlan) check() error {
	if len(p.Ask) > MaxPlanes {
		return fmt.Errorf("%w: %d inquiries, at most %d", ErrMalformed, len(p.Ask), MaxPlanes)
	}
	for i := range p.Ask {
		q := &p.Ask[i]
		bad := len(q.Vector) > maxVector
		for _, cells := range q.Cells {
			bad = bad || len(cells) > MaxAsked
		}
		if bad {
			return fmt.Errorf("%w: inquiry %d: at most %d cells of each row", ErrMalformed, i, MaxAsked)
		}
	}
	return nil
}

// Place is where a destination lies in each row of a sketch.
func (p *SketchPlan) Place(dst netip.Addr) [SketchRows]uint16 {
	a := dst.As16()
	h := p.Seed
	for _, word := range [2]uint64{binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])} {
		hi, lo := bits.Mul64(h^word^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
		h = hi ^ lo ^ bits.RotateLeft64(p.Seed, 31)
	}
	h ^= h >> 32
	h *= 0x9fb21c651e98df25
	h ^= h >> 29
	return [SketchRows]uint16{uint16(h % SketchWidth), uint16(h >> 40 % SketchWidth)}
}

// Asked reports whether an inquiry is about a place.
func (q *Inquiry) Asked(place [SketchRows]uint16) bool {
	for row, cell := range place {
		if !slices.Contains(q.Cells[row], cell) {
			return false
		}
	}
	return true
}

// Sketch are the destinations that a tally does not list, by packets a second: a count-min sketch (Cormode and Muthukrishnan, An
// improved data stream summary, 2005) for each vector. Those of several sensors are added cell by cell; no destination's cells ever hold less
// than what comes to it.
//
// Encoded, within a tally: version 1 in a byte; epoch; number of planes; of each plane the length of the vector's name and the name,
// threshold, number of destinations, shift, and the rows one after the other as pairs (empty cells, value), of which the last ends
// with the row and has no value if the row ends empty. Numbers are unsigned varints (encoding/binary); a cell holds about
// value << shift packets a second. All of it is compressed with zstd.
type Sketch struct {
	Epoch  uint64
	Planes []Plane
}

// Plane is a sketch's part about one vector.
type Plane struct {
	Vector       string
	Threshold    uint32 // packets a second that would be an attack on this sensor alone; the greatest of the destinations'
	Destinations uint32
	Cells        *[SketchRows][SketchWidth]uint32 // packets a second
}

// NewPlane returns an empty plane.
func NewPlane(vector string) Plane {
	return Plane{Vector: vector, Cells: new([SketchRows][SketchWidth]uint32)}
}

// Add adds a destination's rate.
func (p *Plane) Add(place [SketchRows]uint16, rate uint32) {
	p.Destinations++
	for row, cell := range place {
		c := &p.Cells[row][cell]
		*c += min(rate, ^*c)
	}
}

// Encode returns at most MaxSketch bytes: of a sketch that takes more, cells are rounded to coarser units until it fits.
func (s *Sketch) Encode() ([]byte, error) {
	if len(s.Planes) > MaxPlanes {
		return nil, fmt.Errorf("encode sketch: %w: %d planes, at most %d", ErrMalformed, len(s.Planes), MaxPlanes)
	}
	for shift := uint(0); shift <= maxShift; shift++ {
		if msg := deflate(nil, s.append(nil, shift)); len(msg) <= MaxSketch {
			return msg, nil
		}
	}
	return nil, errors.New("encode sketch: too large whatever the unit") // not with MaxPlanes and a name each
}

func (s *Sketch) append(b []byte, shift uint) []byte {
	b = append(b, sketchFormat)
	b = binary.AppendUvarint(b, s.Epoch)
	b = binary.AppendUvarint(b, uint64(len(s.Planes)))
	for i := range s.Planes {
		p := &s.Planes[i]
		b = binary.AppendUvarint(b, uint64(len(p.Vector)))
		b = append(b, p.Vector...)
		b = binary.AppendUvarint(b, uint64(p.Threshold))
		b = binary.AppendUvarint(b, uint64(p.Destinations))
		b = binary.AppendUvarint(b, uint64(shift))
		for row := range p.Cells {
			b = appendRow(b, &p.Cells[row], shift)
		}
	}
	return b
}

func appendRow(b []byte, row *[SketchWidth]uint32, shift uint) []byte {
	empty := uint64(0)
	for _, v := range row {
		v := (uint64(v) + 1<<shift>>1) >> shift // to the nearest
		if v == 0 {
			empty++
			continue
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, empty), v)
		empty = 0
	}
	if empty > 0 {
		b = binary.AppendUvarint(b, empty)
	}
	return b
}

// DecodeSketch undoes Encode.
func DecodeSketch(msg []byte) (*Sketch, error) {
	if len(msg) > MaxSketch {
		return nil, fmt.Errorf("decode sketch: %w: %d bytes, at most %d", ErrMalformed, len(msg), MaxSketch)
	}
	raw, err := inflate(msg, maxSketchRaw)
	if err != nil {
		return nil, fmt.Errorf("decode sketch: %w", err)
	}
	r := varints{raw}
	s, err := r.sketch()
	if err != nil {
		return nil, fmt.Errorf("decode sketch: %w: %w", ErrMalformed, err)
	}
	return s, nil
}

// varints reads what Sketch.append wrote.
type varints struct{ rest []byte }

func (r *varints) sketch() (*Sketch, error) {
	if len(r.rest) == 0 || r.rest[0] != sketchFormat {
		return nil, errors.New("not of version 1")
	}
	r.rest = r.rest[1:]
	epoch, err := r.next(^uint64(0))
	if err != nil {
		return nil, fmt.Errorf("epoch: %w", err)
	}
	n, err := r.next(MaxPlanes)
	if err != nil {
		return nil, fmt.Errorf("planes: %w", err)
	}
	s := &Sketch{Epoch: epoch}
	for i := range n {
		p, err := r.plane()
		if err != nil {
			return nil, fmt.Errorf("plane %d: %w", i, err)
		}
		s.Planes = append(s.Planes, p)
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last plane", len(r.rest))
	}
	return s, nil
}

// next reads a number that may be limit at most.
func (r *varints) next(limit uint64) (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, errors.New("cut short")
	}
	if v > limit {
		return 0, fmt.Errorf("%d, at most %d", v, limit)
	}
	r.rest = r.rest[n:]
	return v, nil
}

func (r *varints) plane() (p Plane, err error) {
	n, err := r.next(maxVector)
	if err == nil && n > uint64(len(r.rest)) {
		err = errors.New("cut short")
	}
	if err != nil {
		return p, fmt.Errorf("vector: %w", err)
	}
	p = NewPlane(string(r.rest[:n]))
	r.rest = r.rest[n:]
	var shift uint64
	for _, field := range []struct {
		name  string
		limit uint64
		put   func(uint64)
	}{
		{"threshold", 1<<32 - 1, func(v uint64) { p.Threshold = uint32(v) }},
		{"destinations", 1<<32 - 1, func(v uint64) { p.Destinations = uint32(v) }},
		{"shift", maxShift, func(v uint64) { shift = v }},
	} {
		v, err := r.next(field.limit)
		if err != nil {
			return p, fmt.Errorf("%s: %w", field.name, err)
		}
		field.put(v)
	}
	for row := range p.Cells {
		if err := r.row(&p.Cells[row], uint(shift)); err != nil {
			return p, fmt.Errorf("row %d: %w", row, err)
		}
	}
	return p, nil
}

func (r *varints) row(row *[SketchWidth]uint32, shift uint) error {
	for at := uint64(0); at < SketchWidth; at++ {
		empty, err := r.next(SketchWidth - at)
		if err != nil {
			return fmt.Errorf("empty cells: %w", err)
		}
		if at += empty; at == SketchWidth {
			return nil
		}
		v, err := r.next((1<<32 - 1) >> shift)
		if err != nil {
			return fmt.Errorf("cell %d: %w", at, err)
		}
		row[at] = uint32(v << shift)
	}
	return nil
}
