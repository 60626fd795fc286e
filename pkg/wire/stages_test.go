package wire

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"
)

func stampedBatch() *Batch {
	b := sampleBatch()
	b.Events[0].Stages.Inspected = b.Events[0].Time.Add(812 * time.Microsecond)
	return b
}

func TestBatchStamps(t *testing.T) {
	b := stampedBatch()
	b.Events = append(b.Events, b.Events[0])
	b.Events[2].Stages.Inspected = b.Events[2].Time.Add(-time.Hour) // a clock that was set
	msg, err := b.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeBatch(msg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Events {
		if got, want := got.Events[i].Stages, b.Events[i].Stages; got != want {
			t.Errorf("event %d: %+v, want %+v", i, got, want)
		}
	}
}

// A collector of before the stamps reads the batch with a decompressor alone, and one that sees stamps it does not understand does without.
func TestStampsCostNoBatch(t *testing.T) {
	plain, err := sampleBatch().Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	stamped, err := stampedBatch().Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	was, err := inflate(plain, maxBatchRaw)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := inflate(stamped, maxBatchRaw); err != nil || !reflect.DeepEqual(is, was) {
		t.Errorf("a decompressor makes of it % x, %v\nwant % x", is, err, was)
	}
	short := append(binary.LittleEndian.AppendUint32(nil, stampsMagic), 1, 0, 0, 0, 0x80) // half a number
	got, err := DecodeBatch(append(short, plain...))
	if err != nil || !got.Events[0].Stages.Inspected.IsZero() {
		t.Errorf("%+v, %v: want the batch without stamps", got, err)
	}
}

func TestSent(t *testing.T) {
	if got := ParseSent(FormatSent(noon)); !got.Equal(noon) {
		t.Errorf("%s came back as %s", noon, got)
	}
	for _, bad := range []string{"", "soon", "99999999999999999999"} {
		if got := ParseSent(bad); !got.IsZero() {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func FuzzTakeStamps(f *testing.F) {
	f.Add(appendStamps(nil, stampedBatch().Events))
	f.Add(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, stampsMagic), 1<<31))
	f.Fuzz(func(t *testing.T, msg []byte) {
		events := sampleBatch().Events
		takeStamps(msg, events)
		again := sampleBatch().Events
		takeStamps(appendStamps(nil, events), again)
		if !reflect.DeepEqual(again, events) {
			t.Errorf("again: %+v\nfirst: %+v", again, events)
		}
	})
}
