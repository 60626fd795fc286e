package uplink

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// TestSlowAnswerStillCounts has a collector that answers after the sensor has asked again: the answer to the first request is as
// good, the one to the second is not mixed into it, and the sensor asks less and less often.
func TestSlowAnswerStillCounts(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	have := newTable()
	f := newFollower(&Options{Sensor: "edge", Applier: have, Log: slog.New(slog.DiscardHandler)}, &keyring{pub: pub}, nil, nil)
	now := time.Now()
	f.now = func() time.Time { return now }
	var asked []*wire.SyncRequest
	f.request = func(r *wire.SyncRequest) error { asked = append(asked, r); return nil }
	var at []int
	for second := range 60 {
		n := len(asked)
		if f.sync(); len(asked) > n {
			at = append(at, second)
		}
		now = now.Add(time.Second)
	}
	if fmt.Sprint(at) != "[0 5 15 35]" {
		t.Errorf("asked after %v seconds", at)
	}
	for _, r := range asked {
		if r.Nonce != asked[0].Nonce {
			t.Fatal("a request that is repeated has another nonce")
		}
	}
	answer := func(seq uint64, ids ...string) (msgs [][]byte) {
		var parts []wire.SyncPart
		for i, id := range ids {
			one, err := wire.SnapshotParts(1, seq, []verdict.Verdict{drop(id, fmt.Sprintf("198.18.0.%d/32", i))})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, one...)
		}
		for _, p := range wire.Renumber(parts) {
			p.Nonce = asked[0].Nonce
			msg, err := p.Seal(key)
			if err != nil {
				t.Fatal(err)
			}
			msgs = append(msgs, msg)
		}
		return msgs
	}
	first, second := answer(7, "a", "b"), answer(8, "c", "d", "e")
	f.part(first[0])
	f.part(second[1]) // of the other answer: not the next of this one
	f.part(second[0]) // the first was cut off: begin anew
	f.part(first[1])
	f.part(second[1])
	if _, seq, _ := f.position(); seq != 0 {
		t.Fatalf("position %d of a mixture of two answers", seq)
	}
	f.part(second[2])
	if _, seq, _ := f.position(); seq != 8 || len(have.verdicts) != 3 {
		t.Errorf("position %d with %d verdicts", seq, len(have.verdicts))
	}
}
