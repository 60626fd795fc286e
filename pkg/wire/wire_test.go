package wire

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

func key(t testing.TB, seed byte) ed25519.PrivateKey {
	t.Helper()
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func sampleVerdict(id string, seq uint64) verdict.Verdict {
	return verdict.Verdict{
		ID: id, Epoch: 9, Seq: seq, Match: verdict.Match{Src: netip.MustParsePrefix("203.0.113.7/32")}, Action: verdict.Drop,
		Scope: ScopeAll, Origin: verdict.OriginAnalyst, Reason: "scan", CreatedBy: "ann", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
		Evidence: []string{"edge:0123:7:0"},
	}
}

func sampleBatch() *Batch {
	return &Batch{Sensor: "edge-1", Boot: "00ff", N: 3, Events: []Event{
		{
			Time: noon.Add(123456789), SID: 2024897, Severity: 1, Proto: 6, Handshake: true, Category: "Web Application Attack",
			Src: netip.MustParseAddrPort("203.0.113.7:4444"), Dst: netip.MustParseAddrPort("[2001:db8::1]:80"), EVE: []byte(`{"event_type":"alert"}`),
		},
		{Time: time.Unix(0, -5).UTC(), EVE: []byte("{}")}, // before 1970, no addresses
	}}
}

func TestBatch(t *testing.T) {
	b := sampleBatch()
	msg, err := b.Encode([]byte("prefix"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeBatch(msg[len("prefix"):])
	if err != nil {
		t.Fatal(err)
	}
	want := sampleBatch()
	for i := range want.Events {
		want.Events[i].ID, want.Events[i].Sensor = fmt.Sprintf("edge-1:00ff:3:%d", i), "edge-1"
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if id := got.MessageID(); id != "edge-1:00ff:3" {
		t.Errorf("message id %q", id)
	}
}

func TestBatchRefuses(t *testing.T) {
	for name, change := range map[string]func(*Batch){
		"no events":         func(b *Batch) { b.Events = nil },
		"too many events":   func(b *Batch) { b.Events = make([]Event, MaxBatchEvents+1) },
		"no sensor":         func(b *Batch) { b.Sensor = "" },
		"a sensor wildcard": func(b *Batch) { b.Sensor = "*" },
		"a sensor subtree":  func(b *Batch) { b.Sensor = "a.b" },
		"a huge record":     func(b *Batch) { b.Events[0].EVE = make([]byte, MaxEVE+1) },
		"many huge records": func(b *Batch) { b.Events[0].EVE, b.Events[1].EVE = make([]byte, MaxEVE), make([]byte, MaxEVE) },
		"a long category":   func(b *Batch) { b.Events[0].Category = strings.Repeat("x", maxCategory+1) },
		"an address zone":   func(b *Batch) { b.Events[0].Src = netip.MustParseAddrPort("[fe80::1%eth0]:1") },
	} {
		b := sampleBatch()
		change(b)
		if _, err := b.Encode(nil); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestDecodeBatchRefuses(t *testing.T) {
	msg, err := sampleBatch().Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := inflate(msg, maxBatchRaw)
	if err != nil {
		t.Fatal(err)
	}
	for name, msg := range map[string][]byte{
		"nothing":          nil,
		"not zstd":         []byte("hello"),
		"a zstd bomb":      deflate(nil, make([]byte, 3<<20)),
		"a larger bomb":    deflate(nil, make([]byte, 64<<20)),
		"another version":  deflate(nil, append([]byte{2}, raw[1:]...)),
		"bytes at the end": deflate(nil, append(bytes.Clone(raw), 0)),
		"a cut":            deflate(nil, raw[:len(raw)-1]),
		"a long string":    deflate(nil, []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}),
		"a billion events": deflate(nil, []byte{1, 1, 'a', 1, 'b', 0, 0xff, 0xff, 0xff, 0xff, 0x0f}),
	} {
		if b, err := DecodeBatch(msg); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v; want ErrMalformed", name, b, err)
		}
	}
}

func TestDelta(t *testing.T) {
	k := key(t, 1)
	v := sampleVerdict("v-1", 4)
	for _, d := range []Delta{
		{Epoch: 9, Seq: 4, Op: OpAdd, Verdict: &v},
		{Epoch: 9, Seq: 5, Op: OpRemove, ID: "v-1", By: "expiry"},
		{Epoch: 9, Seq: 6, Op: OpRevoke, ID: "v-1", By: "ann", Until: noon},
	} {
		msg, err := d.Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenDelta(public(k), msg)
		if err != nil || !reflect.DeepEqual(*got, d) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, d)
		}
		msg[len(msg)-2] ^= 1
		if _, err := OpenDelta(public(k), msg); !errors.Is(err, ErrSignature) {
			t.Errorf("changed %s: %v, want ErrSignature", d.Op, err)
		}
		if _, err := OpenDelta(public(key(t, 2)), msg); !errors.Is(err, ErrSignature) {
			t.Errorf("another's %s: %v, want ErrSignature", d.Op, err)
		}
	}
}

func TestDeltaRefuses(t *testing.T) {
	for name, change := range map[string]func(*Delta){
		"an unknown op":      func(d *Delta) { d.Op = "upsert" },
		"no verdict":         func(d *Delta) { d.Verdict = nil },
		"another number":     func(d *Delta) { d.Seq++ },
		"no expiry":          func(d *Delta) { d.Verdict.ExpiresAt = time.Time{} },
		"everything matches": func(d *Delta) { d.Verdict.Match = verdict.Match{} },
		"no id":              func(d *Delta) { d.Verdict.ID = "" },
		"a long reason":      func(d *Delta) { d.Verdict.Reason = strings.Repeat("x", verdict.MaxReason+1) },
		"much evidence":      func(d *Delta) { d.Verdict.Evidence = make([]string, verdict.MaxEvidence+1) },
		"a bad scope":        func(d *Delta) { d.Verdict.Scope = "a.>" },
		"removal of nothing": func(d *Delta) { *d = Delta{Epoch: 9, Seq: 4, Op: OpRemove} },
	} {
		v := sampleVerdict("v-1", 4)
		d := Delta{Epoch: 9, Seq: 4, Op: OpAdd, Verdict: &v}
		change(&d)
		if _, err := d.Seal(key(t, 1)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

// A signature for one kind of message is none for another.
func TestKindsAreApart(t *testing.T) {
	k := key(t, 1)
	body := []byte(`{}`)
	msg, err := seal(k, sealBeacon, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unseal(public(k), sealBeacon, msg); err != nil {
		t.Errorf("own kind: %v", err)
	}
	for _, kind := range []string{sealDelta, sealSync} {
		if _, err := unseal(public(k), kind, msg); !errors.Is(err, ErrSignature) {
			t.Errorf("as %s: %v, want ErrSignature", kind, err)
		}
	}
}

func TestBeacon(t *testing.T) {
	k := key(t, 1)
	b := Beacon{Epoch: 9, Seq: 4, Count: 2, Hash: 1 << 63, Time: noon}
	msg, err := b.Seal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, pub := range []ed25519.PublicKey{nil, public(k)} {
		got, err := OpenBeacon(pub, msg)
		if err != nil || !reflect.DeepEqual(*got, b) {
			t.Errorf("got %+v, %v; want %+v", got, err, b)
		}
	}
	if _, err := OpenBeacon(public(key(t, 2)), msg); !errors.Is(err, ErrSignature) {
		t.Errorf("with another key pinned: %v, want ErrSignature", err)
	}
	msg[len(msg)-2] ^= 1
	if _, err := OpenBeacon(nil, msg); err == nil {
		t.Error("a changed beacon was taken at the first contact")
	}
}

func TestSnapshot(t *testing.T) {
	k := key(t, 1)
	for _, n := range []int{0, 1, 20_000} {
		vs := make([]verdict.Verdict, n)
		for i := range vs {
			vs[i] = sampleVerdict(fmt.Sprintf("v-%d", i), uint64(i+1))
		}
		parts, err := SnapshotParts(9, 10_000, vs)
		if err != nil {
			t.Fatal(err)
		}
		if n == 20_000 && len(parts) < 2 {
			t.Errorf("%d verdicts in %d part", n, len(parts))
		}
		var got []verdict.Verdict
		size := 0
		for i := range parts {
			parts[i].Nonce = 77
			msg, err := parts[i].Seal(k)
			if err != nil {
				t.Fatal(err)
			}
			if size += len(msg); len(msg) > MaxMessage {
				t.Errorf("part of %d bytes", len(msg))
			}
			p, err := OpenSyncPart(public(k), msg)
			if err != nil {
				t.Fatal(err)
			}
			if p.Nonce != 77 || p.Epoch != 9 || p.Seq != 10_000 || p.Part != i || p.Parts != len(parts) || p.Kind != PartSnapshot {
				t.Errorf("header %+v", p)
			}
			part, err := p.Verdicts()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
			msg[len(msg)-1] ^= 1
			if _, err := OpenSyncPart(public(k), msg); err == nil {
				t.Error("a changed payload was taken")
			}
		}
		if len(got) != n || n > 0 && !reflect.DeepEqual(got, vs) {
			t.Errorf("%d verdicts came back changed or as %d", n, len(got))
		}
		t.Logf("%d verdicts: %d parts, %d bytes", n, len(parts), size)
	}
}

// Every field of a verdict must travel, those added later too.
func TestVerdictInSnapshot(t *testing.T) {
	full := sampleVerdict("v-1", 4)
	full.Match = verdict.Match{
		Src: netip.MustParsePrefix("203.0.113.0/24"), Dst: netip.MustParsePrefix("10.0.0.0/8"), Proto: 6, Port: 65535,
	}
	full.Action, full.Rule, full.Rate, full.Spoofable, full.ApprovedBy = verdict.RateLimit, 1<<32-1, 5, true, "bob"
	one := sampleVerdict("v-2", 5)
	one.Match = verdict.Match{
		Flow: &verdict.FlowKey{Tenant: 1 << 60, Src: netip.MustParseAddrPort("[2001:db8::2]:1"), Dst: netip.MustParseAddrPort("[2001:db8::1]:2"), Proto: 17},
	}
	whole := full.Match // a match has a flow or the rest
	whole.Flow = one.Match.Flow
	for _, v := range []reflect.Value{reflect.ValueOf(full), reflect.ValueOf(whole), reflect.ValueOf(*whole.Flow)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("this test leaves %s.%s zero", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	bare := verdict.Verdict{ID: "b", Match: verdict.Match{Src: netip.MustParsePrefix("2001:db8::/64")}, Origin: verdict.OriginFeed, ExpiresAt: noon}
	vs := []verdict.Verdict{full, bare, one, full}
	parts, err := SnapshotParts(9, 4, vs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parts[0].Verdicts()
	if err != nil || !reflect.DeepEqual(got, vs) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, vs)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	vs := make([]verdict.Verdict, 10_000)
	for i := range vs {
		vs[i] = sampleVerdict(fmt.Sprintf("v-%d", i), uint64(i+1))
	}
	parts, err := SnapshotParts(9, 10_000, vs)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range parts {
			if _, err := parts[i].Verdicts(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestDeltaParts(t *testing.T) {
	k := key(t, 1)
	var sealed [][]byte
	for i := range 3000 {
		v := sampleVerdict(fmt.Sprintf("v-%d", i), uint64(i+1))
		d := Delta{Epoch: 9, Seq: uint64(i + 1), Op: OpAdd, Verdict: &v}
		msg, err := d.Seal(k)
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, msg)
	}
	parts, err := DeltaParts(9, 3000, sealed)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	for i := range parts {
		ds, err := parts[i].Deltas(public(k))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if d.Seq != next {
				t.Fatalf("delta %d where %d is due", d.Seq, next)
			}
			next++
		}
	}
	if next != 3001 {
		t.Errorf("%d deltas came back", next-1)
	}
	if _, err := parts[0].Deltas(public(key(t, 2))); !errors.Is(err, ErrSignature) {
		t.Errorf("under another key: %v, want ErrSignature", err)
	}
}

func TestHealth(t *testing.T) {
	h := Health{
		Sensor: "edge", Version: "v1", Mode: "gwlb", Epoch: 9, Seq: 4, Time: noon, Started: noon,
		Drops: map[string]uint64{"verdict": 7}, Maps: map[string]MapFill{"verdicts": {Used: 1, Max: 10}},
		Hits: []Hit{{ID: "v-1", Packets: 3, Bytes: 180}}, Refusals: []Refusal{{ID: "v-2", Reason: "gateway"}}, Allowances: []string{"10.0.0.1/32"},
	}
	msg, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeHealth(msg)
	if err != nil || !reflect.DeepEqual(*got, h) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, h)
	}
	h.Hits = make([]Hit, MaxHits+1)
	if _, err := h.Encode(); err == nil {
		t.Error("too many hits were encoded")
	}
	h.Truncate()
	if _, err := h.Encode(); err != nil {
		t.Errorf("after Truncate: %v", err)
	}
}

func TestSet(t *testing.T) {
	var a, b Set
	for i := range 100 {
		a.Add(fmt.Sprint(i), uint64(i))
		b.Add(fmt.Sprint(99-i), uint64(99-i))
	}
	if a.Hash() != b.Hash() || a.Len() != 100 {
		t.Error("the order of additions shows in the hash")
	}
	a.Add("7", 1000)
	if a.Hash() == b.Hash() || a.Len() != 100 {
		t.Error("a replaced verdict does not show in the hash")
	}
	b.Remove("7")
	b.Add("7", 1000)
	if a.Hash() != b.Hash() {
		t.Error("replacing and removing then adding differ")
	}
	for i := range 100 {
		if !a.Remove(fmt.Sprint(i)) {
			t.Errorf("%d is not in", i)
		}
	}
	if a.Hash() != 0 || a.Remove("7") || a.Has("7") {
		t.Error("an emptied set is not like a new one")
	}
}

func TestSubjectSensor(t *testing.T) {
	if id, err := SubjectSensor(AlertsSubject("edge-1")); id != "edge-1" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	for _, s := range []string{"alerts", "alerts.", "alerts.a.b", "alerts.*"} {
		if id, err := SubjectSensor(s); err == nil {
			t.Errorf("%q names sensor %q", s, id)
		}
	}
}

func TestInScope(t *testing.T) {
	for _, c := range []struct {
		scope, sensor, group string
		want                 bool
	}{
		{"", "a", "", true}, {"all", "a", "g", true}, {"a", "a", "", true}, {"g", "a", "g", true},
		{"b", "a", "g", false}, {"local", "a", "", false},
	} {
		if got := InScope(c.scope, c.sensor, c.group); got != c.want {
			t.Errorf("InScope(%q, %q, %q) = %v", c.scope, c.sensor, c.group, got)
		}
	}
}
