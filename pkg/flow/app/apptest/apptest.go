// Package apptest drives application protocols' parsers in tests: by transcript, piece by piece, and by hostile input.
package apptest

import (
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Say is something that one side sends.
type Say struct {
	Dir  app.Direction
	Data string
}

// C is what the client says.
func C(data string) Say { return Say{app.ToServer, data} }

// S is what the server says.
func S(data string) Say { return Say{app.ToClient, data} }

// Feed gives p a transcript and closes both sides. A refusal fails the test.
func Feed(t testing.TB, p app.Parser, says ...Say) {
	t.Helper()
	Pieces(t, p, 1<<30, says...)
}

// Pieces is Feed in pieces of at most n bytes.
func Pieces(t testing.TB, p app.Parser, n int, says ...Say) {
	t.Helper()
	for i, s := range says {
		for data := []byte(s.Data); len(data) > 0; {
			k := min(n, len(data))
			if err := p.Feed(s.Dir, data[:k], int64(i+1)); err != nil {
				t.Fatalf("piece %d, in pieces of %d: %v", i, n, err)
			}
			data = data[k:]
		}
	}
	p.Close(app.ToServer)
	p.Close(app.ToClient)
}

// Encode writes a transcript as input of Drive, to seed a fuzz target.
func Encode(says ...Say) []byte {
	var out []byte
	for _, s := range says {
		for data := s.Data; len(data) > 0; {
			n := min(len(data), 0x0fff)
			out = append(out, byte(s.Dir)|opFeed<<1|byte(n>>8)<<4, byte(n))
			out = append(out, data[:n]...)
			data = data[n:]
		}
	}
	return out
}

// Operations in the second and third bit of an instruction's first byte.
const (
	opFeed = iota
	opGap
	opFree
	opClose
)

// Drive makes of data a conversation with p: two bytes say which side does what, and to how many bytes. It fails when p
// breaks what app.Parser promises.
func Drive(t testing.TB, p app.Parser, data []byte) {
	progress := map[*app.TxBase][2]uint8{}
	for len(data) >= 2 {
		dir, op, n := app.Direction(data[0]&1), data[0]>>1&3, int(data[0]>>4)<<8|int(data[1])
		data = data[2:]
		switch op {
		case opFeed:
			k := min(n, len(data))
			piece := append([]byte{}, data[:k]...)
			_ = p.Feed(dir, piece, 1)
			for i := range piece { // data is only lent: what the parser keeps must be its own
				piece[i] = 0xa5
			}
			data = data[k:]
		case opGap:
			p.Gap(dir, n)
		case opFree:
			p.Free(n & 3)
		case opClose:
			p.Close(dir)
		}
		check(t, p, progress)
		if u, ok := p.(app.Upgrader); ok {
			u.Upgrade()
		}
		if e, ok := p.(app.Expecter); ok {
			e.Expected()
		}
	}
	p.Close(app.ToServer)
	p.Close(app.ToClient)
	check(t, p, progress)
	for i, tx := range p.Txs() {
		if b := tx.Base(); b.Complete != [2]bool{true, true} {
			t.Fatalf("transaction %d is %v complete after both sides are closed", i, b.Complete)
		}
	}
}

func check(t testing.TB, p app.Parser, progress map[*app.TxBase][2]uint8) {
	var last *app.TxBase
	for i, tx := range p.Txs() {
		b := tx.Base()
		if last != nil && b.ID <= last.ID {
			t.Fatalf("transaction %d has id %d after %d", i, b.ID, last.ID)
		}
		last = b
		was := progress[b]
		for dir := range was {
			if b.Progress[dir] < was[dir] {
				t.Fatalf("transaction %d: progress of direction %d falls from %d to %d", i, dir, was[dir], b.Progress[dir])
			}
		}
		progress[b] = b.Progress
		for _, f := range b.Files {
			if uint64(len(f.Data))+f.Base > f.Size {
				t.Fatalf("file %q keeps %d bytes from offset %d of %d", f.Name, len(f.Data), f.Base, f.Size)
			}
		}
	}
}
