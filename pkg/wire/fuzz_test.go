package wire

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

func FuzzDecodeBatch(f *testing.F) {
	msg, err := sampleBatch().Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := inflate(msg, maxBatchRaw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := DecodeBatch(deflate(nil, raw))
		if err != nil {
			return
		}
		msg, err := b.Encode(nil)
		if err != nil {
			t.Fatalf("decoded, but not to be encoded again: %v", err)
		}
		again, err := DecodeBatch(msg)
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("again: %+v, %v\nfirst: %+v", again, err, b)
		}
	})
}

// FuzzOpen feeds every other decoder, with signatures unchecked so that what is behind them is reached.
func FuzzOpen(f *testing.F) {
	k := key(f, 1)
	v := sampleVerdict("v-1", 4)
	d := Delta{Epoch: 9, Seq: 4, Op: OpAdd, Verdict: &v}
	delta, err := d.Seal(k)
	if err != nil {
		f.Fatal(err)
	}
	beacon, err := (&Beacon{Epoch: 1}).Seal(k)
	if err != nil {
		f.Fatal(err)
	}
	health, err := (&Health{Sensor: "a"}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	request, err := (&SyncRequest{Sensor: "a"}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	survey, err := (&Survey{Nonce: 1, Match: v.Match, Window: time.Minute}).Seal(k)
	if err != nil {
		f.Fatal(err)
	}
	findings, err := (&Findings{Sensor: "a", Flows: 1, PeerCount: 1, Peers: []netip.Addr{netip.MustParseAddr("203.0.113.7")}}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{delta, beacon, health, request, survey, findings}
	snapshot, err := SnapshotParts(9, 4, []verdict.Verdict{v})
	if err != nil {
		f.Fatal(err)
	}
	deltas, err := DeltaParts(9, 4, [][]byte{delta})
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range append(snapshot, deltas...) {
		msg, err := p.Seal(k)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, msg)
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if d, err := OpenDelta(nil, msg); err == nil && d.check() != nil {
			t.Error("a bad delta was opened")
		}
		if _, err := OpenBeacon(nil, msg); err == nil {
			if _, err := unseal(nil, sealBeacon, msg); err != nil {
				t.Error("a beacon without a signature was opened")
			}
		}
		if p, err := OpenSyncPart(nil, msg); err == nil {
			p.Verdicts()
			p.Deltas(nil)
		}
		if h, err := DecodeHealth(msg); err == nil && h.check() != nil {
			t.Error("a bad health report was decoded")
		}
		if s, err := OpenSurvey(nil, msg); err == nil && s.Window <= 0 {
			t.Error("a bad survey was opened")
		}
		if a, err := DecodeFindings(msg); err == nil && a.check() != nil {
			t.Error("bad findings were decoded")
		}
		if r, err := DecodeSyncRequest(msg); err == nil && CheckName(r.Sensor) != nil {
			t.Error("a bad sync request was decoded")
		}
	})
}
