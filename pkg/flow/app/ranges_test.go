package app

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
)

// part sends bytes from of body as one piece, in writes of 100, and returns what its transaction got.
func part(r *Ranges, body []byte, from, to int, now int64) []*File {
	var tx TxBase
	p := r.Open(&FileConfig{SHA256: true}, "key", []byte("name"), ToClient, uint64(from), uint64(len(body)), now)
	for at := from; at < to; at += 100 {
		p.Write(body[at:min(at+100, to)])
	}
	p.Close(&tx)
	return tx.Files
}

func TestRanges(t *testing.T) {
	body := make([]byte, 5000)
	for i := range body {
		body[i] = byte(i * 7)
	}
	want := sha256.Sum256(body)
	for name, order := range map[string][][2]int{
		"in order":    {{0, 2000}, {2000, 4000}, {4000, 5000}},
		"backwards":   {{4000, 5000}, {2000, 4000}, {0, 2000}},
		"overlapping": {{0, 2500}, {4000, 5000}, {1000, 4500}},
		"repeated":    {{0, 2000}, {0, 2000}, {3000, 5000}, {3000, 5000}, {2000, 3000}},
		"whole":       {{0, 5000}},
	} {
		r := NewRanges()
		var got []*File
		for i, o := range order {
			if len(got) > 0 {
				t.Errorf("%s: together before piece %d", name, i)
			}
			got = part(r, body, o[0], o[1], int64(i))
		}
		if len(got) != 1 || got[0].Size != 5000 || !bytes.Equal(got[0].SHA256, want[:]) || got[0].State != FileClosed {
			t.Fatalf("%s: %+v", name, got)
		}
		if joined, lost := r.Counts(); joined != 1 || lost != 0 || r.held != 0 || len(r.files) != 0 {
			t.Errorf("%s: joined %d, lost %d, %d bytes held, %d files", name, joined, lost, r.held, len(r.files))
		}
	}
}

func TestRangesThatDoNotJoin(t *testing.T) {
	body := make([]byte, 3000)
	r := NewRanges()
	for _, c := range []struct {
		start, total uint64
		key          string
	}{{0, 0, "k"}, {10, 10, "k"}, {0, 10, string(make([]byte, maxRangeKey+1))}} {
		if r.Open(&FileConfig{}, c.key, nil, ToClient, c.start, c.total, 1) != nil {
			t.Errorf("%d of %d, key of %d: a piece", c.start, c.total, len(c.key))
		}
	}
	part(r, body, 0, 1000, 1)
	if got := part(r, body, 1000, 3000, 2+rangeAge); got != nil {
		t.Error("a piece joins one that is too old")
	}
	part(r, body, 0, 1000, 3)
	p := r.Open(&FileConfig{}, "key", nil, ToClient, 1000, 3000, 4)
	p.Write(body[1000:1500])
	p.Gap()
	p.Write(body[1500:3000])
	var tx TxBase
	if p.Close(&tx); tx.Files != nil {
		t.Error("bytes behind a gap count")
	}
	if got := part(r, body[:2000], 1000, 2000, 5); got != nil {
		t.Error("pieces of files of different sizes join")
	}
	var none *Ranges
	p = none.Open(&FileConfig{}, "key", nil, ToClient, 0, 10, 1)
	p.Write(body)
	p.Gap()
	p.Close(&tx)
}

// TestRangesAreBounded holds that neither files, nor pieces, nor bytes that wait grow without end, whatever is asked for.
func TestRangesAreBounded(t *testing.T) {
	r, chunk := NewRanges(), make([]byte, 1<<16)
	for i := range 2 * maxRanged {
		p := r.Open(&FileConfig{}, fmt.Sprint(i), nil, ToClient, 1<<20, 1<<30, 1)
		for range 3 {
			p.Write(chunk)
		}
		p.Close(&TxBase{})
	}
	if len(r.files) > maxRanged || r.held > maxHeld {
		t.Errorf("%d files, %d bytes held", len(r.files), r.held)
	}
	r = NewRanges()
	for i := range 4 * maxWaiting {
		p := r.Open(&FileConfig{}, "key", nil, ToClient, uint64(10*i+10), 1<<30, 1)
		p.Write(chunk[:1])
		p.Close(&TxBase{})
		if f := r.files["key"]; f != nil && len(f.waiting) > maxWaiting {
			t.Fatalf("%d pieces wait", len(f.waiting))
		}
	}
	// Pieces of a few files, opened, written, closed and given up in any order: what is held is what waits.
	r, now := NewRanges(), int64(0)
	rng := rand.New(rand.NewPCG(1, 2))
	var open []*Piece
	for range 20_000 {
		now += rng.Int64N(rangeAge / 50)
		switch rng.IntN(4) {
		case 0:
			if p := r.Open(&FileConfig{}, fmt.Sprint(rng.IntN(5)), nil, ToClient, rng.Uint64N(900), 1000, now); p != nil && len(open) < 50 {
				open = append(open, p)
			}
		case 1, 2:
			if len(open) > 0 {
				open[rng.IntN(len(open))].Write(chunk[:rng.IntN(100)])
			}
		default:
			if i := len(open) - 1; i >= 0 {
				open[i].Close(&TxBase{})
				open = open[:i]
			}
		}
	}
	for _, p := range open {
		p.Close(&TxBase{})
	}
	r.sweep(now + 2*rangeAge)
	if r.held != 0 || len(r.files) != 0 {
		t.Errorf("%d bytes held of %d files in the end", r.held, len(r.files))
	}
}
