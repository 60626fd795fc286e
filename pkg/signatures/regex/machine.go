package regex

import (
	"bytes"
	"errors"
)

// ErrLimit is returned when a match would take more backtracking than allowed.
var ErrLimit = errors.New("match limit reached")

// stepsPerBacktrack bounds the instructions of a match, as a multiple of the limit on backtracking.
const stepsPerBacktrack = 1 << 10

// maxStack bounds the entries of the backtracking stack.
const maxStack = 1 << 18

// Machine is the scratch of matching: reused, for one goroutine.
type Machine struct {
	// Groups are the bounds of the last match: Groups[2*i] and Groups[2*i+1] of group i, -1 when it took no part; group 0 is
	// the whole match.
	Groups []int
	// Bound, when it is not 0, bounds the instructions of a match further than its limit does.
	Bound int

	re         *Regexp
	s          []byte
	from       int // where the search began: \G
	counters   []int
	stack      []entry
	backtracks int
	steps      int
	allowed    int // steps, when the match began
	reset      int // \K, -1 without
	err        error
}

type entryKind uint8

const (
	undoGroup   entryKind = iota // Groups[n] = pos
	undoCounter                  // counters[n] = pos
	undoReset
	branch    // go on at pc, pos
	runGreedy // a greedy run may give back: pos down to n, then go on at pc
	runLazy   // a lazy run may take more: pos, up to n bytes more of prog[pc-1].set
)

type entry struct {
	kind entryKind
	pc   int32
	pos  int
	n    int
}

// Steps returns how many instructions the last match took.
func (m *Machine) Steps() int { return m.allowed - m.steps }

// Match looks for the leftmost match in s at or after from. Look-behind, ^ and \b see all of s. limit bounds backtracking.
func (m *Machine) Match(re *Regexp, s []byte, from, limit int) (bool, error) {
	m.re, m.s, m.from = re, s, from
	m.allowed = limit * stepsPerBacktrack
	if m.Bound > 0 {
		m.allowed = min(m.allowed, m.Bound)
	}
	m.backtracks, m.steps, m.err = limit, m.allowed, nil
	m.size()
	for at := from; at <= len(s)-re.minimum; at++ {
		if at = re.candidate(s, at); at < 0 || re.anchored && at > from {
			return false, nil
		}
		m.clear()
		m.stack = m.stack[:0]
		if end, ok := m.run(0, at, 0); ok {
			m.Groups[0], m.Groups[1] = at, end
			if m.reset >= 0 {
				m.Groups[0] = m.reset
			}
			return true, nil
		}
		if m.err != nil {
			return false, m.err
		}
	}
	return false, nil
}

// candidate returns the next place at or after at where a match can begin; -1 when there is none.
func (re *Regexp) candidate(s []byte, at int) int {
	if re.anchored {
		return at
	}
	if re.prefix != nil {
		i := bytes.Index(s[at:], re.prefix)
		if i < 0 {
			return -1
		}
		return at + i
	}
	if re.first == nil {
		return at
	}
	for ; at < len(s); at++ {
		if re.first.has(s[at]) {
			return at
		}
	}
	return -1
}

func (m *Machine) size() {
	groups := 2 * (m.re.caps + 1)
	if cap(m.Groups) < groups {
		m.Groups = make([]int, groups)
	}
	m.Groups = m.Groups[:groups]
	if cap(m.counters) < m.re.counters {
		m.counters = make([]int, m.re.counters)
	}
	m.counters = m.counters[:m.re.counters]
}

func (m *Machine) clear() {
	for i := range m.Groups {
		m.Groups[i] = -1
	}
	m.reset = -1
}

func (m *Machine) push(e entry) {
	if len(m.stack) >= maxStack {
		m.err = ErrLimit
		return
	}
	m.stack = append(m.stack, e)
}

// run executes the program from pc at pos until opMatch or opEnd. Entries above base are its own. On failure all that it
// changed is undone.
func (m *Machine) run(pc int32, pos, depth int) (int, bool) {
	base := len(m.stack)
	prog, s := m.re.prog, m.s
	for {
		if m.steps--; m.steps < 0 {
			m.err = ErrLimit
		}
		if m.err != nil {
			m.unwind(base)
			return 0, false
		}
		in := &prog[pc]
		ok := true
		switch in.op {
		case opByte:
			if ok = pos < len(s) && s[pos] == in.b; ok {
				pos++
				pc++
			}
		case opSet:
			if ok = pos < len(s) && in.set.has(s[pos]); ok {
				pos++
				pc++
			}
		case opJump:
			pc = in.x
		case opSplit:
			if in.set != nil && (pos >= len(s) || !in.set.has(s[pos])) {
				pc = in.y
				break
			}
			m.push(entry{kind: branch, pc: in.y, pos: pos})
			pc = in.x
		case opSave:
			m.push(entry{kind: undoGroup, n: int(in.n), pos: m.Groups[in.n]})
			m.Groups[in.n] = pos
			pc++
		case opAssert:
			ok = m.assert(in.assert, pos)
			pc++
		case opRun:
			pos, ok = m.runSet(in, pc, pos)
			pc++
		case opBackref:
			pos, ok = m.backref(in, pos)
			pc++
		case opLook, opAtomic:
			pos, ok = m.enter(in, pc, pos, depth)
			pc = in.x
		case opLoopInit:
			m.setCounter(int(in.n), 0)
			m.setCounter(int(in.n)+1, -1)
			pc++
		case opLoop:
			pc = m.loop(in, pos)
		case opIterate:
			m.setCounter(int(in.n), m.counters[in.n]+1)
			m.setCounter(int(in.n)+1, pos)
			pc++
		case opEnd, opMatch:
			return pos, true
		}
		if !ok {
			if pc, pos, ok = m.back(base); !ok {
				return 0, false
			}
		}
	}
}

// back returns to the last branch above base.
func (m *Machine) back(base int) (int32, int, bool) {
	for len(m.stack) > base {
		e := &m.stack[len(m.stack)-1]
		switch e.kind {
		case branch:
			pc, pos := e.pc, e.pos
			m.stack = m.stack[:len(m.stack)-1]
			return pc, pos, m.spend()
		case runGreedy:
			e.pos--
			pc, pos := e.pc, e.pos
			if e.pos <= e.n {
				m.stack = m.stack[:len(m.stack)-1]
			}
			if next := &m.re.prog[pc]; next.op == opByte && !m.rewind(next.b, &pos, e) {
				continue
			}
			return pc, pos, m.spend()
		case runLazy:
			in := &m.re.prog[e.pc-1]
			if e.n == 0 || e.pos >= len(m.s) || !in.set.has(m.s[e.pos]) {
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			e.pos++
			if e.n > 0 {
				e.n--
			}
			return e.pc, e.pos, m.spend()
		default:
			m.undo(e)
			m.stack = m.stack[:len(m.stack)-1]
		}
	}
	return 0, 0, false
}

// rewind lets a greedy run give back up to the next place where byte b follows; e may just have been popped, its
// memory is still valid.
func (m *Machine) rewind(b byte, pos *int, e *entry) bool {
	low := e.n
	at := *pos
	for at >= low && (at >= len(m.s) || m.s[at] != b) {
		at--
	}
	if at < low {
		m.drop(e)
		return false
	}
	*pos = at
	if at == low {
		m.drop(e)
	} else {
		e.pos = at
	}
	return true
}

// drop pops e if it is still the top of the stack.
func (m *Machine) drop(e *entry) {
	if n := len(m.stack); n > 0 && &m.stack[n-1] == e {
		m.stack = m.stack[:n-1]
	}
}

func (m *Machine) spend() bool {
	if m.backtracks--; m.backtracks < 0 {
		m.err = ErrLimit
		// the caller unwinds on its next step
	}
	return true
}

func (m *Machine) undo(e *entry) {
	switch e.kind {
	case undoGroup:
		m.Groups[e.n] = e.pos
	case undoCounter:
		m.counters[e.n] = e.pos
	case undoReset:
		m.reset = e.pos
	}
}

func (m *Machine) unwind(base int) {
	for len(m.stack) > base {
		m.undo(&m.stack[len(m.stack)-1])
		m.stack = m.stack[:len(m.stack)-1]
	}
}

func (m *Machine) setCounter(n, value int) {
	m.push(entry{kind: undoCounter, n: n, pos: m.counters[n]})
	m.counters[n] = value
}

// loop decides between another iteration and going on.
func (m *Machine) loop(in *inst, pos int) int32 {
	n := int(in.n)
	count := m.counters[n]
	if count >= int(in.min) && m.counters[n+1] == pos { // an empty iteration brings nothing new
		return in.y
	}
	switch {
	case count < int(in.min):
		return in.x
	case in.max >= 0 && count >= int(in.max):
		return in.y
	case in.mode == lazy:
		m.push(entry{kind: branch, pc: in.x, pos: pos})
		return in.y
	}
	m.push(entry{kind: branch, pc: in.y, pos: pos})
	return in.x
}

// runSet matches a repeat of one set.
func (m *Machine) runSet(in *inst, pc int32, pos int) (int, bool) {
	most := len(m.s) - pos
	if in.max >= 0 {
		most = min(most, int(in.max))
	}
	if most < int(in.min) {
		return pos, false
	}
	want := most
	if in.mode == lazy {
		want = int(in.min)
	}
	n := 0
	for n < want && in.set.has(m.s[pos+n]) {
		n++
	}
	m.steps -= n / 8
	if n < int(in.min) {
		return pos, false
	}
	switch {
	case in.mode == greedy && n > int(in.min):
		m.push(entry{kind: runGreedy, pc: pc + 1, pos: pos + n, n: pos + int(in.min)})
	case in.mode == lazy && n < most:
		m.push(entry{kind: runLazy, pc: pc + 1, pos: pos + n, n: most - n})
	}
	return pos + n, true
}

func (m *Machine) backref(in *inst, pos int) (int, bool) {
	from, to := m.Groups[2*in.n], m.Groups[2*in.n+1]
	if from < 0 || to < from || len(m.s)-pos < to-from {
		return pos, false
	}
	a, b := m.s[from:to], m.s[pos:pos+to-from]
	for i := range a {
		if a[i] != b[i] && !(in.fold && lower(a[i]) == lower(b[i])) {
			return pos, false
		}
	}
	return pos + len(a), true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 32
	}
	return c
}

// maxNested bounds look-around within look-around at match time; the parser's limit on groups keeps it from being reached.
const maxNested = maxDepth + 1

// enter runs the sub-program of a look-around or an atomic group. What it captured stays, its branches go.
func (m *Machine) enter(in *inst, pc int32, pos, depth int) (int, bool) {
	if depth > maxNested {
		m.err = ErrLimit
		return pos, false
	}
	mark := len(m.stack)
	end, ok := 0, false
	if in.behind {
		for n := int(in.min); n <= int(in.max) && !ok; n++ {
			if n > pos {
				break
			}
			if end, ok = m.run(pc+1, pos-n, depth+1); ok && end != pos {
				m.unwind(mark)
				ok = false
			}
		}
	} else {
		end, ok = m.run(pc+1, pos, depth+1)
	}
	if m.err != nil {
		return pos, false
	}
	if in.op == opLook {
		if in.negate {
			if ok {
				m.unwind(mark)
			}
			return pos, !ok
		}
		end = pos
	}
	if ok {
		m.prune(mark)
	}
	return end, ok
}

// prune removes the branches above mark and keeps what undoes changes.
func (m *Machine) prune(mark int) {
	kept := mark
	for _, e := range m.stack[mark:] {
		if e.kind <= undoReset {
			m.stack[kept] = e
			kept++
		}
	}
	m.stack = m.stack[:kept]
}

func (m *Machine) assert(k assertKind, pos int) bool {
	s := m.s
	switch k {
	case assertStart:
		return pos == 0
	case assertLineStart:
		return pos == 0 || s[pos-1] == '\n' && pos < len(s)
	case assertEnd:
		return pos == len(s)
	case assertEndNewline:
		return pos == len(s) || pos == len(s)-1 && s[pos] == '\n'
	case assertLineEnd:
		return pos == len(s) || s[pos] == '\n'
	case assertSearchStart:
		return pos == m.from
	case assertReset:
		m.push(entry{kind: undoReset, pos: m.reset})
		m.reset = pos
		return true
	}
	before := pos > 0 && isWord(s[pos-1])
	after := pos < len(s) && isWord(s[pos])
	return (before != after) == (k == assertWord)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || lower(c) >= 'a' && lower(c) <= 'z'
}
