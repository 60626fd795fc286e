package bpf

import (
	"net/netip"
	"testing"
)

const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpTX       = 3
	xdpRedirect = 4
)

func addrOf(a [16]byte) netip.Addr { return netip.AddrFrom16(a).Unmap() }

// mustLoad loads the program with maps of its own.
func mustLoad(tb testing.TB, o Options) *Sensor {
	tb.Helper()
	o.NoPin = true
	if o.Name == "" {
		o.Name = "test"
	}
	s, err := Load(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// TestVerifierBudget keeps the program far from the verifier's limit of a million instructions, and loading quick.
func TestVerifierBudget(t *testing.T) {
	const budget = 100_000
	for _, mode := range []Mode{ModeHost, ModeGWLB, ModeMirror} {
		info, err := mustLoad(t, Options{Mode: mode}).Program().Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok {
			t.Fatalf("%v: the kernel does not say how many instructions it verified", mode)
		}
		if n > budget {
			t.Errorf("%v: verifier looked at %d instructions, budget %d", mode, n, budget)
		}
		t.Logf("%v: %d instructions verified", mode, n)
	}
}
