// Command packaging makes packages, container images and bills of materials of the static binaries in a folder, next to them.
// It needs neither root nor a daemon, and makes the same bytes of the same binaries, version and time.
//
// It is a module of its own so that what it needs stays out of the product's.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// release is what all artefacts have in common.
type release struct {
	version string    // semantic, without "v"
	time    time.Time // of everything inside
	dist    string    // folder of NAME-linux-ARCH, and of what is made of them
	deploy  string    // folder of units, configuration and rules
	archs   []string  // Go's names
}

// product is one program as it is installed.
type product struct {
	program, summary string
	files            []file
	scripts          scripts
	user             string   // of the container: uid:gid
	args             []string // of the container
}

// file goes from the deploy folder to a place on the host.
type file struct {
	from, to string
	config   bool // kept when the administrator has changed it
	run      bool // a program
}

// scripts are package scripts, in the deploy folder.
type scripts struct{ postInstall, preRemove, postRemove string }

func products() []product {
	return []product{
		{
			program: "sensor", summary: "inline intrusion prevention: inspects packets and drops in XDP",
			files: []file{
				{from: "systemd/weir-sensor.service", to: "/usr/lib/systemd/system/weir-sensor.service"},
				{from: "systemd/weir-doctor.service", to: "/usr/lib/systemd/system/weir-doctor.service"},
				{from: "ami/first-boot", to: "/usr/lib/weir/first-boot", run: true},
				{from: "systemd/run-weirbpf.mount", to: "/usr/lib/systemd/system/run-weirbpf.mount"},
				{from: "systemd/weir.sysusers", to: "/usr/lib/sysusers.d/weir.conf"},
				{from: "config/sensor.yaml", to: "/etc/weir/sensor.yaml", config: true},
				{from: "rules/weir.rules", to: "/etc/weir/rules/weir.rules", config: true},
				{from: "rules/cloud.rules", to: "/etc/weir/rules/cloud.rules", config: true},
				// Its rules drop: whoever wants them copies them.
				{from: "rules/optional/metadata.rules", to: "/usr/share/doc/weir-sensor/metadata.rules"},
			},
			scripts: scripts{"packaging/scripts/sensor.postinstall", "packaging/scripts/sensor.preremove", "packaging/scripts/reload"},
			user:    "0:0", args: []string{"run", "--config", "/etc/weir/sensor.yaml"},
		},
		{
			program: "collector", summary: "gathers alerts, decides on verdicts, serves the console",
			files: []file{
				{from: "systemd/weir-collector.service", to: "/usr/lib/systemd/system/weir-collector.service"},
				{from: "config/collector.yaml", to: "/etc/weir/collector.yaml", config: true},
			},
			scripts: scripts{"packaging/scripts/collector.postinstall", "packaging/scripts/collector.preremove", "packaging/scripts/reload"},
			user:    "65532:65532", args: []string{"run", "--config", "/etc/weir/collector.yaml"},
		},
	}
}

func main() {
	version := flag.String("version", "", "`version` of the packages, such as 0.1.0")
	epoch := flag.Int64("epoch", 0, "Unix `seconds` of everything inside, such as the commit's")
	dist := flag.String("dist", "", "`folder` of the binaries and of what is made")
	deploy := flag.String("deploy", "", "`folder` of units, configuration and rules")
	archs := flag.String("architectures", "amd64,arm64", "`names` of those in dist, with commas between them")
	flag.Parse()
	if *version == "" || *epoch <= 0 || *dist == "" || *deploy == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	r := release{version: *version, time: time.Unix(*epoch, 0).UTC(), dist: *dist, deploy: *deploy, archs: strings.Split(*archs, ",")}
	if err := r.make(); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func (r release) make() error {
	for _, p := range products() {
		for _, arch := range r.archs {
			for _, step := range []func(product, string) error{r.packages, r.image, r.bill} {
				if err := step(p, arch); err != nil {
					return fmt.Errorf("%s for %s: %w", p.program, arch, err)
				}
			}
		}
	}
	return nil
}

// binary is where the build put a program.
func (r release) binary(p product, arch string) string {
	return filepath.Join(r.dist, p.program+"-linux-"+arch)
}
