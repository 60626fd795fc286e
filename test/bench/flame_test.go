package main

import (
	"strings"
	"testing"
	"time"
)

func TestStacks(t *testing.T) {
	const text = `File: x
Type: cpu
-----------+-------------------------------------------------------
      20ms   example.org/a/inner.leaf
             example.org/a/inner.(*T).middle (inline)
             example.org/a/outer.Run
             main.main
-----------+-------------------------------------------------------
      10ms   example.org/a/inner.(*T).middle
             example.org/a/outer.Run
-----------+-------------------------------------------------------
      1.5s   runtime.gc
-----------+-------------------------------------------------------
`
	root, err := stacks(text, "outer.Run")
	if err != nil {
		t.Fatal(err)
	}
	if m := root.call("inner.(*T).middle"); root.took != 30*time.Millisecond || m.took != root.took || m.call("inner.leaf").took != 20*time.Millisecond {
		t.Errorf("got %v, %v", root, m)
	}
	var b strings.Builder
	drawFlames(&b, root)
	if s := b.String(); strings.Count(s, "<rect") != 3 || !strings.Contains(s, `inner.leaf 66.7 %`) {
		t.Errorf("drawn %s", s)
	}
	if _, err := stacks(text, "nobody"); err == nil {
		t.Error("a profile without what is asked for is no error")
	}
}
