package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/internal/lab"
)

// TestABadStartAttachesNothing starts a sensor with each kind of mistake: it must say where, exit with 1, and leave the
// interface alone.
func TestABadStartAttachesNothing(t *testing.T) {
	needLab(t)
	l, err := lab.New("refuse")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	topo, err := lab.HostTopology(l, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	good := writeFile(t, dir, "good.rules", "alert tcp any any -> any any (msg:\"x\"; content:\"x\"; sid:1;)\n")
	bad := writeFile(t, dir, "bad.rules", "\nalert tcp any any -> any any (msg:\"x\"; contents:\"x\"; sid:1;)\n")
	base := "id: refused\nmode: host\ninterfaces: [eth0]\noutput: {eve: " + dir + "/eve.json}\ncontrol: " + dir + "/s.sock\nstate: " + dir + "\nmetrics: {listen: \"\"}\n"
	for name, c := range map[string]struct{ config, want string }{
		"unknown key":   {base + "rules: [" + good + "]\nrule: 1\n", ".yaml:9:1: unknown field \"rule\""},
		"interface":     {strings.Replace(base, "eth0", "eth7", 1) + "rules: [" + good + "]\n", ".yaml:3:14: interfaces[0]: no interface \"eth7\" on this host"},
		"rule":          {base + "rules: [" + bad + "]\n", "bad.rules:2:40: contents: "},
		"no rule file":  {base + "rules: [" + dir + "/none-*.rules]\n", "no file matches"},
		"unwritable":    {strings.Replace(base, dir+"/eve.json", dir+"/none/eve.json", 1) + "rules: [" + good + "]\n", "none/eve.json: no such file or directory"},
		"busy address":  {strings.Replace(base, `metrics: {listen: ""}`, `metrics: {listen: "192.0.2.1:1"}`, 1) + "rules: [" + good + "]\n", "metrics.listen: "},
		"bad collector": {base + "rules: [" + good + "]\ncollector: {url: \"nats://no.such.host.invalid:4222\"}\n", "collector url"},
	} {
		cmd := exec.Command(bin+"/sensor", "run", "--config", writeFile(t, dir, "sensor.yaml", c.config))
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := topo.Proxy.Start(cmd); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, want exit status 1\n%s", name, err, out.String())
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: said\n%s\nwant …%s…", name, out.String(), c.want)
		}
		if attached(t, topo.Proxy, "eth0") {
			t.Errorf("%s: an XDP program is on eth0", name)
		}
		if _, err := os.Stat("/sys/fs/bpf/weir/v2/refused"); !os.IsNotExist(err) {
			t.Errorf("%s: maps are left pinned (%v)", name, err)
		}
	}
}

// attached reports whether an interface of the host carries an XDP program.
func attached(t *testing.T, h *lab.Host, dev string) (yes bool) {
	t.Helper()
	err := h.Run(func() error {
		link, err := netlink.LinkByName(dev)
		if err == nil && link.Attrs().Xdp != nil {
			yes = link.Attrs().Xdp.Attached
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}
