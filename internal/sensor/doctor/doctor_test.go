package doctor

import (
	"os"
	"strings"
	"testing"
)

// healthy is an ENA instance behind a load balancer as it should be.
func healthy() Facts {
	return Facts{
		Mode: "gwlb", Kernel: "6.1.112-124.190.amzn2023.x86_64", BPFFS: "/run/weirbpf", BPFFSMounted: true,
		Capabilities: 1<<39 | 1<<38 | 1<<13 | 1<<12, LockedMemory: ^uint64(0), ClockSynced: true, DefaultRoutes: []string{"ens5", "ens5"},
		Interfaces: []Interface{{Name: "ens5", Up: true, MTU: 3498, Driver: "ena", DriverVersion: "2.17.0g", Queues: 8, Addresses: 2,
			OneBuffer: "its driver takes no frames of several buffers in XDP"}},
	}
}

func TestHealthyHostHasOnlyTheHint(t *testing.T) {
	for _, f := range Judge(healthy()) {
		if f.Level != OK && !alwaysSaid(f) {
			t.Errorf("%s: %s: %s (%s)", f.Check, f.Level, f.Found, f.Advice)
		}
	}
}

// alwaysSaid is what nobody can check from here.
func alwaysSaid(f Finding) bool {
	return f.Check == "source/dest check" || f.Check == "mtu" && f.Level == Hint && strings.Contains(f.Advice, "above 3430 bytes are lost")
}

// TestJudge spoils one fact at a time; exactly that check must complain, and say what to do.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, check string
		level       Level
		advice      string
		spoil       func(*Facts)
	}{
		{"old kernel", "kernel", Failure, "5.10", func(f *Facts) { f.Kernel = "5.4.0-1" }},
		{"kernel without frags", "kernel", Warning, "5.18", func(f *Facts) { f.Kernel = "5.15.0" }},
		{"odd kernel", "kernel", Warning, "cannot be read", func(f *Facts) { f.Kernel = "strange" }},
		{"no bpffs", "bpffs", Failure, "mount -t bpf bpf /run/weirbpf", func(f *Facts) { f.BPFFSMounted = false }},
		{"no CAP_PERFMON", "capabilities", Failure, "AmbientCapabilities", func(f *Facts) { f.Capabilities &^= 1 << 38 }},
		{"little locked memory", "locked memory", Failure, "LimitMEMLOCK", func(f *Facts) { f.LockedMemory = 8 << 20 }},
		{"program refused", "bpf", Failure, "root", func(f *Facts) { f.Program = "bpf: not permitted" }},
		{"configuration wrong", "configuration", Failure, "correct", func(f *Facts) { f.Configuration = "sensor.yaml:1:1: mode" }},
		{"clock adrift", "clock", Warning, "169.254.169.123", func(f *Facts) { f.ClockSynced = false }},
		{"no default route", "routes", Warning, "/healthz", func(f *Facts) { f.DefaultRoutes = nil }},
		{"two ways out", "routes", Warning, "ip rule", func(f *Facts) { f.DefaultRoutes = []string{"ens5", "ens6"} }},
		{"interface gone", "interface", Failure, "ip link", func(f *Facts) { f.Interfaces[0].Error = "no such interface" }},
		{"link down", "link", Failure, "ip link set ens5 up", func(f *Facts) { f.Interfaces[0].Up = false }},
		{"no address", "link", Warning, "tunnel", func(f *Facts) { f.Interfaces[0].Addresses = 0 }},
		{"one byte short", "mtu", Failure, "mtu 3498", func(f *Facts) { f.Interfaces[0].MTU = 1567 }},
		{"jumbo in the way", "mtu", Failure, "one buffer", func(f *Facts) { f.Interfaces[0].MTU = 3499 }},
		{"jumbo left", "mtu", Hint, "above 3430 bytes are lost, and the load balancer sends up to 8500: ip link set ens5 mtu 8568", func(f *Facts) { f.Interfaces[0].OneBuffer = "" }},
		{"short of jumbo", "mtu", Failure, "mtu 8568", func(f *Facts) { f.Interfaces[0].OneBuffer, f.Interfaces[0].MTU = "", 1500 }},
		{"jumbo bridge", "mtu", Failure, "one buffer", func(f *Facts) { f.Mode, f.Interfaces[0].MTU = "bridge", 9001 }},
		{"small mirror", "mtu", Warning, "1554", func(f *Facts) { f.Mode, f.Interfaces[0].MTU = "mirror", 1500 }},
		{"old ENA", "driver", Warning, "2.14", func(f *Facts) { f.Mode, f.Interfaces[0].DriverVersion, f.Interfaces[0].MTU = "host", "2.12.0", 9001 }},
		{"panicking ENA", "driver", Warning, "2.13.1", func(f *Facts) { f.Interfaces[0].DriverVersion = "2.13.0"; f.Mode = "host"; f.Interfaces[0].MTU = 1500 }},
		{"ENA in tree", "driver", Warning, "3498", func(f *Facts) { f.Mode, f.Interfaces[0].DriverVersion, f.Interfaces[0].MTU = "host", "", 9001 }},
		{"Xen", "driver", Warning, "Nitro", func(f *Facts) { f.Interfaces[0].Driver = "ixgbevf" }},
		{"one queue", "queues", Hint, "ethtool -L ens5", func(f *Facts) { f.Interfaces[0].Queues = 1 }},
	} {
		f := healthy()
		c.spoil(&f)
		found := false
		for _, g := range Judge(f) {
			switch {
			case g.Check == c.check:
				found = true
				if g.Level != c.level || !strings.Contains(g.Advice, c.advice) {
					t.Errorf("%s: %s %q, want %s with %q", c.name, g.Level, g.Advice, c.level, c.advice)
				}
			case g.Level != OK && !alwaysSaid(g):
				t.Errorf("%s: %s complained too: %s", c.name, g.Check, g.Found)
			}
		}
		if !found {
			t.Errorf("%s: no finding about %s", c.name, c.check)
		}
	}
}

func TestMTUThatJustFits(t *testing.T) {
	f := healthy()
	f.Interfaces[0].MTU = 1568
	if w := Worst(Judge(f)); w != Hint {
		t.Errorf("1568 bytes are enough for 1500, and yet: %s", w)
	}
}

// TestGatherHere looks at the host of the test.
func TestGatherHere(t *testing.T) {
	f := Gather(Subject{Mode: "host", Interfaces: []string{"lo", "none-such"}, BPFFS: t.TempDir()})
	if f.Kernel == "" || f.BPFFSMounted || f.Interfaces[0].MTU == 0 || f.Interfaces[0].Queues == 0 || f.Interfaces[1].Error == "" {
		t.Errorf("%+v", f)
	}
	if os.Geteuid() == 0 && (f.Program != "" || f.Capabilities == 0) {
		t.Errorf("root cannot load the program: %s (capabilities %x)", f.Program, f.Capabilities)
	}
	if os.Geteuid() != 0 && f.Capabilities&(1<<39) == 0 && f.Program == "" {
		t.Error("the program was loaded without CAP_BPF")
	}
}
