package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestArchitectureIsTrue(t *testing.T) {
	md, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Table(string(md))
	if err != nil {
		t.Fatal(err)
	}
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("go list found %d packages: the check would try next to nothing", len(packages))
	}
	for _, fault := range Check(rows, packages) {
		t.Error(fault)
	}
}

func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Standard,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestCheckFindsEveryKindOfFault(t *testing.T) {
	rows, err := Table(strings.Join([]string{
		"| package | does | may import (ours) | third party |", "|---|---|---|---|",
		"| `a` | one | `b/*` | `cilium/ebpf` |", "| `gone` | two | — | — |", "",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := Check(rows, []Package{
		{ImportPath: Module + "/a", Imports: []string{
			"fmt", Module + "/b/c", Module + "/d", "github.com/cilium/ebpf/link", "github.com/google/gopacket"}},
		{ImportPath: Module + "/new"},
	})
	want := []string{
		"a must not import d",
		"a must not import github.com/google/gopacket",
		"gone is in ARCHITECTURE.md but not in the code",
		"new has no row in ARCHITECTURE.md",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestATableWithTheWrongShapeIsRefused(t *testing.T) {
	for _, md := range []string{"", "| package | does |\n|---|---|\n| `a` | one |\n"} {
		if _, err := Table(md); err == nil {
			t.Errorf("%q was accepted", md)
		}
	}
}
