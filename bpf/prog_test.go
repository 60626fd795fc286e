package bpf

import "testing"

func TestLoad(t *testing.T) {
	for _, m := range []Mode{ModeHost, ModeGWLB, ModeMirror} {
		s, err := Load(Options{Mode: m, Name: "test", NoPin: true})
		if err != nil {
			t.Fatalf("%v: %+v", m, err)
		}
		info, _ := s.Program().Info()
		n, _ := info.VerifiedInstructions()
		j, _ := info.JitedSize()
		insns, _ := info.Instructions()
		t.Logf("%v: verified %d jited %d insns %d clock %+v", m, n, j, len(insns), s.Clock())
		s.Close()
	}
}
