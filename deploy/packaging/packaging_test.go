package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// made packs this test's own program as if it were each of the products.
func made(t *testing.T) (string, map[string][]byte) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dist := t.TempDir()
	r := release{version: "1.2.3", time: time.Unix(1_700_000_000, 0).UTC(), dist: dist, deploy: "..", archs: []string{"amd64", "arm64"}}
	for _, p := range products() {
		for _, arch := range r.archs {
			if err := os.WriteFile(r.binary(p, arch), body, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.make(); err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dist, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return dist, all
}

// TestPackaging packs twice, in two folders, seconds apart, since compressing takes that long.
func TestPackaging(t *testing.T) {
	dist, first := made(t)
	t.Run("same bytes twice", func(t *testing.T) { sameTwice(t, first) })
	t.Run("debian", func(t *testing.T) { debian(t, dist) })
	t.Run("image", func(t *testing.T) { image(t, dist) })
	t.Run("bill of materials", func(t *testing.T) { bill(t, dist, first) })
}

func sameTwice(t *testing.T, first map[string][]byte) {
	_, second := made(t)
	if len(first) != len(products())*2*5 {
		t.Errorf("%d files: want binary, deb, rpm, image, and bill of materials of each", len(first))
	}
	for name, body := range first {
		if !bytes.Equal(body, second[name]) {
			t.Errorf("%s differs from one run to the next", name)
		}
	}
}

// debian lets dpkg read what is inside.
func debian(t *testing.T, dist string) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("dpkg-deb is not installed: nobody reads the packages here")
	}
	deb := filepath.Join(dist, "weir-sensor_1.2.3-1_arm64.deb")
	list, err := exec.Command(dpkg, "--contents", deb).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, list)
	}
	for _, want := range []string{"-rwxr-xr-x root/root", "./usr/bin/sensor", "./usr/lib/systemd/system/run-weirbpf.mount", "./usr/lib/sysusers.d/weir.conf", "./usr/lib/weir/first-boot", "./usr/lib/systemd/system/weir-doctor.service"} {
		if !strings.Contains(string(list), want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	conf, err := exec.Command(dpkg, "--info", deb, "conffiles").CombinedOutput()
	if err != nil || !strings.Contains(string(conf), "/etc/weir/sensor.yaml") {
		t.Errorf("an upgrade would overwrite the configuration: conffiles %q, %v", conf, err)
	}
}

// image reads the image as a registry would.
func image(t *testing.T, dist string) {
	img, err := tarball.ImageFromPath(filepath.Join(dist, "weir-collector-1.2.3-linux-arm64.image.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Architecture != "arm64" || c.Config.User != "65532:65532" || len(c.RootFS.DiffIDs) != 1 || len(c.History) != 1 {
		t.Errorf("architecture %s, user %s, %d layers, %d history", c.Architecture, c.Config.User, len(c.RootFS.DiffIDs), len(c.History))
	}
	if got := strings.Join(c.Config.Entrypoint, " "); got != "/usr/bin/collector" {
		t.Errorf("starts %q", got)
	}
}

// bill compares the bill of materials with what the linker recorded.
func bill(t *testing.T, dist string, all map[string][]byte) {
	var d document
	if err := json.Unmarshal(all["sensor-linux-amd64.cdx.json"], &d); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(dist, "sensor-linux-amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Format != "CycloneDX" || d.Metadata.Component.Version != "1.2.3" || len(d.Components) != len(info.Deps)+1 || len(info.Deps) == 0 {
		t.Errorf("%s %s with %d components, the program has %d modules", d.Format, d.Metadata.Component.Version, len(d.Components), len(info.Deps))
	}
}
