package keyword

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// multiShape is the argument of a keyword that compares one of several integers.
const multiShape = uintShape + "[, INDEX[, FROM:TO]] or count N"

// multi is a test of a list of integers: a comparison, and of which of them it is to hold.
type multi struct {
	compare
	which    whichOf
	index    int     // of atIndex; negative: from the end
	orBeyond bool    // atIndex: holds too when the list ends before the index
	times    compare // of manyTimes
	part     bool    // of the list, from to to is looked at
	from, to int
}

type whichOf uint8

const (
	anyOf whichOf = iota
	anyOrNone
	allOf
	allOrNone
	atIndex
	manyTimes
	howMany // the comparison is of the list's length
)

var whichWords = map[string]whichOf{"any": anyOf, "or_absent": anyOrNone, "all": allOf, "all_or_absent": allOrNone}

// plain reports whether one integer that holds is enough, wherever it is.
func (m *multi) plain() bool { return m.which == anyOf && !m.part }

// holds tests the list of n integers that at returns.
func (m *multi) holds(n int, at func(int) uint64) bool {
	from, to := 0, n
	if m.part {
		from, to = slicePart(m.from, m.to, n)
	}
	switch n = to - from; m.which {
	case howMany:
		return m.compare.holds(uint64(n))
	case atIndex:
		i := m.index
		if i < 0 {
			i += n
		}
		if i < 0 || i >= n {
			return m.orBeyond
		}
		return m.compare.holds(at(from + i))
	}
	found := 0
	for i := from; i < to; i++ {
		if m.compare.holds(at(i)) {
			found++
		}
	}
	switch m.which {
	case anyOrNone:
		return found > 0 || n == 0
	case allOf:
		return found == n && n > 0
	case allOrNone:
		return found == n
	case manyTimes:
		return m.times.holds(uint64(found))
	}
	return found > 0
}

// slicePart turns from and to, which count from the end when they are negative, into a part of n; an end outside makes it empty.
func slicePart(from, to, n int) (int, int) {
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	if from < 0 || to > n || from > to {
		return 0, 0
	}
	return from, to
}

// parseMulti reads multiShape.
func parseMulti(arg string, top uint64, names map[string]uint64) (m multi, err error) {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(arg), "count"); ok {
		m.which = howMany
		m.compare, err = parseCompare(rest, 1<<32-1, nil)
		return m, err
	}
	w := words(arg)
	if m.compare, err = parseCompare(w[0], top, names); err != nil || len(w) == 1 {
		return m, err
	}
	if err := m.parseIndex(w[1]); err != nil || len(w) == 2 {
		return m, err
	}
	from, to, ok := strings.Cut(w[2], ":")
	m.part = ok
	if m.from, err = strconv.Atoi(from); err == nil {
		m.to, err = strconv.Atoi(to)
	}
	if !ok || err != nil || len(w) > 3 {
		return m, fmt.Errorf("%q is not FROM:TO", strings.Join(w[2:], ","))
	}
	return m, nil
}

var errIndex = errors.New("is not a number, any, all, or_absent, all_or_absent, oob_or N or nb N")

func (m *multi) parseIndex(word string) (err error) {
	if which, ok := whichWords[word]; ok {
		m.which = which
		return nil
	}
	if rest, ok := strings.CutPrefix(word, "nb"); ok {
		m.which = manyTimes
		m.times, err = parseCompare(rest, 1<<32-1, nil)
		return err
	}
	rest, beyond := strings.CutPrefix(word, "oob_or")
	m.which, m.orBeyond = atIndex, beyond
	if m.index, err = strconv.Atoi(strings.TrimSpace(rest)); err != nil {
		return fmt.Errorf("%q %w", word, errIndex)
	}
	return nil
}

// listItem tests the integers that the buffer holds, eight bytes each.
type listItem struct{ multi }

func (l *listItem) match(in *Inspection) bool {
	return l.holds(len(in.buf)/8, func(i int) uint64 {
		var n uint64
		for _, b := range in.buf[8*i : 8*i+8] {
			n = n<<8 | uint64(b)
		}
		return n
	})
}

// maxList bounds the integers of one transaction that are looked at together.
const maxList = 4096

// list adds a group whose buffer is all integers of a transaction once there will be no more of them.
func (c *compiler) list(name string, sources []valueSource, m multi) error {
	b := &Buffer{Name: name + " (list)", Weak: true}
	for _, s := range sources {
		b.Sources = append(b.Sources, Source{Proto: s.proto, Dir: s.dir, Progress: finalOf(s.progress), Get: s.list})
	}
	if err := c.need(b); err != nil {
		return err
	}
	g := c.group(b, nil)
	g.Items = append(g.Items, &listItem{m})
	if m.holds(0, nil) {
		g.Absent = mayBeAbsent
	}
	return nil
}

// list returns all integers of the transaction, eight bytes each.
func (s valueSource) list(x *Context, tx app.Tx, i int) (Bytes, bool) {
	if i > 0 {
		return Bytes{}, false
	}
	n := 0
	for n < maxList {
		if _, ok := s.get(tx, n); !ok {
			break
		}
		n++
	}
	if n == 0 {
		return Bytes{}, false
	}
	out := x.own(8 * n)
	for i := range n {
		v, _ := s.get(tx, i)
		putUint(out[8*i:8*i+8], v)
	}
	return Bytes{Data: out}, true
}

func putUint(b []byte, v uint64) {
	for k := range b {
		b[k] = byte(v >> (56 - 8*k))
	}
}
