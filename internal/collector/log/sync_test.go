package log

import (
	"testing"

	"github.com/weir-ips/weir/pkg/wire"
)

// TestInquiriesThatAreRepeatedAreAnsweredOnce: a fleet that asks again because answers are slow must not make them slower.
func TestInquiriesThatAreRepeatedAreAnsweredOnce(t *testing.T) {
	q := newInquiries()
	ask := func(reply string, nonce, last uint64) {
		q.put(inquiry{&wire.SyncRequest{Sensor: "s", Nonce: nonce, Last: last}, reply})
	}
	ask("_I.a.sync", 1, 0)
	ask("_I.b.sync", 2, 0)
	ask("_I.a.sync", 1, 5) // a's again
	ask("_I.a.sync", 9, 0) // in a's place, with a nonce that a does not know: does not replace a's
	var got []uint64
	for {
		i, ok := q.take()
		if !ok {
			break
		}
		got = append(got, i.Nonce, i.Last)
	}
	want := []uint64{1, 5, 2, 0, 9, 0}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	for n := range uint64(maxAsking + 10) {
		ask("_I.c.sync", n, 0)
	}
	if len(q.order) != maxAsking || len(q.last) != maxAsking {
		t.Errorf("%d wait, at most %d may", len(q.order), maxAsking)
	}
}
