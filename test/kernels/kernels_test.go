package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestConsole reads what a console shows when a check passes, one fails, one ends in a panic, and one does not come to an end.
func TestConsole(t *testing.T) {
	c := newConsole(io.Discard)
	for line := range strings.Lines("\x1b[2J\r\n" +
		"=== begin load\r\n    prog_test.go:33: gwlb: 4711 instructions verified\r\n--- PASS: TestVerifierBudget (1.00s)\r\nPASS\r\n=== end load 0\r\n" +
		"=== begin program\n--- PASS: TestA (0s)\n    --- PASS: TestA/sub (0s)\n--- SKIP: TestB (0s)\n--- FAIL: TestC (0s)\nFAIL\n=== end program 1\n" +
		"=== begin end-to-end\n--- PASS: TestD (0s)\npanic: what\n=== end end-to-end 2\n" +
		"=== begin card\n--- PASS: TestE (0s)\n") {
		c.line(line)
	}
	r := row{kernel: "6.1", results: c.results}
	var got []string
	for _, k := range r.results {
		got = append(got, k.check+" "+k.String())
	}
	want := []string{"load pass 1 (0 s)", "program FAIL 1 of 2, skip 1 (0 s)", "end-to-end FAIL 0 of 1 (0 s)"}
	if !slices.Equal(got, want) || c.done || r.ok() {
		t.Errorf("%q done %v ok %v, want %q", got, c.done, r.ok(), want)
	}
	var table bytes.Buffer
	report{r}.print(&table)
	if !strings.Contains(table.String(), "6.1, load: gwlb: 4711 instructions verified") {
		t.Error(table.String())
	}
}

// TestNothingRunIsNoPass holds against a pattern that matches no test, which ends well.
func TestNothingRunIsNoPass(t *testing.T) {
	c := newConsole(io.Discard)
	for line := range strings.Lines("=== begin card\ntesting: warning: no tests to run\nPASS\n=== end card 0\n=== done\n") {
		c.line(line)
	}
	if len(c.results) != 1 || c.results[0].ok() || !c.done {
		t.Errorf("%+v", c)
	}
}

// TestChoose takes kernels by name, and says which there are.
func TestChoose(t *testing.T) {
	got, err := choose(matrix(), "6.12,5.10")
	if err != nil || !slices.Equal(names(got), []string{"6.12", "5.10"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(matrix(), "2.4"); err == nil || !strings.Contains(err.Error(), `no kernel "2.4"; there are 5.10, 6.1`) {
		t.Error(err)
	}
}
