package log

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

func (f *fixture) opened() *Log {
	f.t.Helper()
	l, err := Open(f.t.Context(), Options{Conn: f.nc, Key: f.key})
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

func someDrop(id, src string) verdict.Verdict {
	now := time.Now()
	return verdict.Verdict{
		ID: id, Match: verdict.Match{Src: netip.MustParsePrefix(src)}, Action: verdict.Drop, Origin: verdict.OriginAnalyst,
		Reason: "test", CreatedBy: "ann", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func anything(*verdict.Verdict) bool { return true }

// The mistake of a feed or a person that made ten thousand verdicts is undone at once, and what it replaced is back.
func TestRollbackOfTenThousand(t *testing.T) {
	f := newFixture(t)
	l := f.opened()
	kept, err := l.AddAll(t.Context(), []verdict.Verdict{someDrop("keep", "203.0.113.1/32"), someDrop("replaced", "203.0.113.2/32"), someDrop("removed", "203.0.113.3/32")})
	if err != nil {
		t.Fatal(err)
	}
	_, before := l.Position()
	wrong := make([]verdict.Verdict, 10_000)
	for i := range wrong {
		wrong[i] = someDrop(fmt.Sprintf("wrong-%d", i), fmt.Sprintf("198.18.%d.%d/32", i>>8, i&255))
	}
	if _, err := l.AddAll(t.Context(), append(wrong, someDrop("replaced", "203.0.113.99/32"))); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Remove(t.Context(), "removed", "ann"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	done, err := l.Rollback(t.Context(), before, "bob", anything)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rolled back in %s", time.Since(began))
	if done != (RolledBack{Removed: 10_000, Restored: 2}) {
		t.Errorf("done %+v", done)
	}
	got := l.List()
	if len(got) != 3 {
		t.Fatalf("%d verdicts are in force, want 3", len(got))
	}
	for _, v := range kept {
		if now, ok := l.Get(v.ID); !ok || now.Match != v.Match {
			t.Errorf("%s is %+v", v.ID, now)
		}
	}
	again := f.opened()
	if again.Hash() != l.Hash() {
		t.Error("the log reads differently after a restart")
	}
}

func TestRollbackLimits(t *testing.T) {
	f := newFixture(t)
	l := f.opened()
	for i := range 3 {
		if _, err := l.Add(t.Context(), someDrop(fmt.Sprint("v-", i), "203.0.113.1/32")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Rollback(t.Context(), 9, "bob", anything); !errors.Is(err, ErrTooOld) {
		t.Errorf("rolled back to the future: %v", err)
	}
	if done, err := l.Rollback(t.Context(), 0, "bob", anything); err != nil || done.Removed != 3 {
		t.Errorf("to the beginning: %+v, %v", done, err)
	}
	done, err := l.Rollback(t.Context(), 3, "bob", func(v *verdict.Verdict) bool { return v.ID != "v-1" })
	if err != nil || done.Restored != 2 || done.Skipped != 1 {
		t.Errorf("what may not be in force came back: %+v, %v", done, err)
	}
	l.write.Lock()
	err = l.compact(context.Background())
	l.write.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Rollback(t.Context(), 2, "bob", anything); !errors.Is(err, ErrTooOld) {
		t.Errorf("rolled back to before the snapshot: %v", err)
	}
}
