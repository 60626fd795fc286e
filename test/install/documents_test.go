package install

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// mentions are names of commands in a sentence, which is no way to call them.
var mentions = []string{
	"sensor run", "sensor replay", "sensor enroll", "sensor verdicts", "sensor verdicts add", "sensor rules check", "collector run",
	"collector sensor add", "collector backup", "systemctl reload", "ethtool -L",
}

// elsewhere are commands that neither the machine of this test nor its host runs, and why.
var elsewhere = map[string]string{
	"curl -s http://127.0.0.1:8222/jsz?meta=true":    "asks for the monitoring of a NATS server, which is off unless somebody switches it on",
	"apt-get install qemu-system-x86 busybox-static": "prepares a developer's machine",
	"go test -bench AgainstHyperscan .":              "is run beside Hyperscan, in test/peers",
}

// meanings are what a reader puts for words in capitals, and for examples that stand for something of his own.
var meanings = []struct{ pattern, shell string }{
	{`--pcap FILE`, `--pcap attacks.pcap`},
	{`--config FILE`, `--config /etc/weir/sensor.yaml`},
	{`baseline (export >|import) FILE`, `baseline $1 usual.json`},
	{`^nats-server`, `cd cluster/n1 && exec nats-server`},
	{`\bFILE\b|/var/lib/suricata/rules/suricata.rules`, `/etc/weir/rules/weir.rules`},
	{`\bCAPTURE\b`, `attacks.pcap`},
	{`\bDIR\b`, `out`},
	{`\bIFACE\b`, `eth0`},
	{`\bGATEWAY\b`, `10.77.2.1`},
	{`\bPREFIX\b`, `203.0.113.9/32`},
	{`\bADDRESS\b`, `203.0.113.7`},
	{`--id edge-1`, `--id another --credentials another.creds`},
	{`sensor remove edge-1`, `sensor remove another`},
	{`9f86d081`, `"$$(collector rules list | cut -c 1-12 | head -1)"`},
	{`--watch 10m`, `--watch 5s`},
	{`(collector rules stage [^\n]*)`, `for _ in $$(seq 20); do $1 && break; sleep 1; done`}, // a sensor reports every five seconds
	{`(collector rules promote \S+)`, `until $1 2>/dev/null; do sleep 0.5; done`},
	{`\br-abcdefghij\b`, `"$$(collector rules list | grep -o '^r-[a-z0-9]*' | head -1)"`},
	{`^collector user add`, `collector user list | grep -q chief || collector user add chief --role admin; collector user add`},
	{`--to (?:1234|SEQ)`, `--to 0`},
	{`\bSID\b`, `1000001`},
	{`\bWHY\b|…`, `why`},
	{`\bCOLLECTOR\b`, `collector`},
	{`feed accept NAME`, `feed accept ours`},
	{`export retry NAME`, `export retry archive`},
	{`\bNAME\b`, `ana`},
	{`^sensor verdicts kill`, `$0; sensor verdicts resume || true`},
	{`sensor verdicts remove ID`, `sensor verdicts add 203.0.113.8/32 --reason wrong; sensor verdicts remove "$$(sensor verdicts list --json | jq -r '.[-1].id')"`},
	{`\[(--[^]]*)\]`, `$1`}, // what may be left out
}

// before is what a reader of a document has done, or has at hand.
var before = map[string]string{
	"docs/tutorial.md":                     "systemctl stop weir-sensor weir-collector && sensor detach && mv /var/lib/weir/sensor.creds /run/aside",
	"docs/concepts/clusters.md":            "systemctl stop weir-sensor weir-collector && for a in 10.0.0.1 10.0.1.1 10.0.2.1; do ip addr replace $a/32 dev lo; done",
	"docs/runbooks/alerts.md":              "collector user list | grep -q ana || { collector user add chief --role admin; collector user add ana --role analyst; }",
	"docs/guides/from-suricata.md":         `mkdir -p /etc/suricata && printf '%%YAML 1.1\n---\nvars: {address-groups: {HOME_NET: "[10.0.0.0/8]"}}\n' >/etc/suricata/suricata.yaml`,
	"docs/guides/from-network-firewall.md": `echo '{"RulesSource":{"RulesString":"drop tls $HOME_NET any -> any any (tls.sni; content:\"x.example\"; sid:1;)\n"},"RuleVariables":{"IPSets":{}}}' >group.json`,
}

// documents types every command of README, guides, concepts and runbooks into a machine on which both packages run.
func documents(t *testing.T, base, shared string) {
	pages := instructions(t)
	l, err := lab.New("documents")
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	topology, err := lab.HostTopology(l, lab.Options{})
	check(t, err)
	m := newMachine(t, "documents", base, shared)
	m.boot(topology.Proxy.Namespace)
	furnish(m)
	ran := 0
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		t.Run(page, func(t *testing.T) {
			r := reader{machine: m, t: t, dir: "/srv/" + strings.ReplaceAll(page, "/", "_")}
			defer r.leave()
			r.must("mkdir -p $0 && cp -r /shared/docs/. $0/", r.dir)
			if first := before[page]; first != "" {
				r.must("export USER=root; cd $0 && "+first, r.dir)
			}
			for _, i := range pages[page] {
				ran += r.obey(i)
			}
		})
	}
	if ran < 80 {
		t.Errorf("only %d commands were run: the search is wrong", ran)
	}
	t.Logf("%d commands were run", ran)
}

// furnish installs both packages as the guides say, with a sensor that has enrolled.
func furnish(m *machine) {
	m.t.Helper()
	m.run("sh", "-c", "echo 127.0.0.1 collector $(hostname) >>/etc/hosts && mount -t bpf bpf /sys/fs/bpf")
	m.run("dpkg", "-i", deb("collector", "1.0.0"), deb("sensor", "1.0.0"))
	m.write("/etc/weir/blocked.csv", "198.51.100.77\n")
	m.write("/etc/weir/collector.yaml", "data: /var/lib/weir-collector\nbus: {listen: 0.0.0.0:4222}\nfeeds: [{name: ours, url: /etc/weir/blocked.csv}]\n"+
		"exports: [{name: archive, type: file, path: /var/lib/weir-collector/alerts.json}]\n")
	m.run("systemctl", "enable", "--now", "weir-collector.service")
	m.await("the collector is ready", 30*time.Second, func() bool { _, err := m.try("curl", "-sf", "http://127.0.0.1:8443/readyz"); return err == nil })
	m.write("/run/token", m.run("collector", "token", "create", "--group", "edge"))
	m.write("/run/sensor.yaml", `id: edge-1
mode: host
interfaces: [$INTERFACE]
rules: [/etc/weir/rules/*.rules]
bpffs: /run/weirbpf
health: {listen: "127.0.0.1:8080"}
collector: {url: "tls://collector:4222", credentials: /var/lib/weir/sensor.creds}
`)
	allowMemory(m)
	m.run("sh", "-c", "/usr/lib/weir/first-boot --token-file /run/token </run/sensor.yaml")
}

// reader is somebody who follows one document from its beginning to its end.
type reader struct {
	*machine
	t       *testing.T
	dir     string
	daemons []string // pids
}

// must is a preparation.
func (r *reader) must(script string, arguments ...string) string {
	r.t.Helper()
	out, err := r.try(append([]string{"bash", "-c", script}, arguments...)...)
	if err != nil {
		journal, _ := r.try("journalctl", "--no-pager", "-n", "30", "-u", "weir-*")
		r.t.Fatalf("%s: %v\n%s\n%s", script, err, out, journal)
	}
	return out
}

// obey does what a document says and returns how many commands were run.
func (r *reader) obey(i instruction) int {
	r.t.Helper()
	switch {
	case i.file != "":
		r.write(i.file, i.text)
		return 0
	case slices.Contains(mentions, i.text) || elsewhere[i.text] != "":
		return 0
	case workshop.MatchString(i.text):
		for line := range strings.Lines(i.text) {
			r.rehearse(i, line)
		}
		return strings.Count(i.text, "\n") + 1
	}
	if strings.Contains(i.text, "sensor detach") {
		r.endDaemons()
	}
	ran := 0
	for _, part := range parts(i.text) {
		ran++
		if daemon := daemons.FindString(part); daemon != "" {
			r.begin(i, translate(daemon))
			continue
		}
		r.execute(i, translate(part))
	}
	if strings.Contains(i.text, "sensor detach") {
		r.must("systemctl start weir-sensor") // what follows speaks of a sensor that runs
	}
	return ran
}

var (
	search   = regexp.MustCompile(`\| grep [^|\n]*$`)
	workshop = regexp.MustCompile(`^(?:make|go) `)
	daemons  = regexp.MustCompile(`^(?:sudo )?(?:bin/)?(?:(?:sensor|collector) run --(?:config|data)|nats-server) [^&\n]*`)
)

// parts divides a block so that each program which stays is a part of its own.
func parts(block string) (all []string) {
	for line := range strings.Lines(block) {
		alone := daemons.MatchString(line)
		if n := len(all); n > 0 && !alone && !daemons.MatchString(all[n-1]) {
			all[n-1] += line
			continue
		}
		all = append(all, line)
	}
	return all
}

// translate puts what the reader means for what the document shows.
func translate(text string) string {
	for _, m := range meanings {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.shell)
	}
	return text
}

// execute runs a script. While what the document started is still starting it is tried again.
func (r *reader) execute(i instruction, script string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out, err := r.try("env", "USER=root", "bash", "-euo", "pipefail", "-c", "cd $0; PATH=$PATH:$0/bin\n"+script, r.dir)
		if err == nil || search.MatchString(i.text) && exitCode(err) == 1 { // nothing was found
			return
		}
		if len(r.daemons) == 0 || time.Now().After(end) {
			logs, _ := r.try("sh", "-c", "tail -n 5 $0/daemon-*.log 2>/dev/null; journalctl --no-pager -n 20 -u weir-*", r.dir)
			r.t.Errorf("%s: %s\nran as: %s\n%v: %s\n%s", i.where, i.text, script, err, out, logs)
			return
		}
	}
}

func exitCode(err error) int {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// begin starts a program that stays until the end of the document.
func (r *reader) begin(i instruction, program string) {
	r.t.Helper()
	log := fmt.Sprintf("%s/daemon-%d.log", r.dir, len(r.daemons))
	pid := strings.TrimSpace(r.must("cd $0 && PATH=$PATH:$PWD/bin; "+program+" >$1 2>&1 </dev/null & sleep 1; kill -0 $! && echo $! || { cat $1; exit 1; }", r.dir, log))
	r.daemons = append(r.daemons, pid)
}

func (r *reader) endDaemons() {
	for _, pid := range r.daemons {
		r.try("bash", "-c", "kill $0; while kill -0 $0; do sleep 0.1; done", pid)
	}
	r.daemons = nil
}

// leave ends what the document started, and brings back the services that it stopped, dropping as before.
func (r *reader) leave() {
	r.endDaemons()
	r.must("if [ -e /run/aside ]; then mv /run/aside /var/lib/weir/sensor.creds; fi; systemctl start weir-collector weir-sensor && sensor verdicts resume && for _ in $(seq 49); do USER=root collector kill-switch off 2>/dev/null && exit; sleep 0.2; done; USER=root collector kill-switch off")
}

// rehearse looks at what is run in a clone of the source: targets of make exist and their recipes expand; packages and benchmarks exist.
func (r *reader) rehearse(i instruction, line string) {
	r.t.Helper()
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if words[0] == "make" {
		command(r.t, append([]string{"make", "-C", "../..", "-n"}, words[1:]...)...)
		return
	}
	packages := words[len(words)-1]
	command(r.t, "go", "list", "-C", "../..", packages)
	if at := slices.Index(words, "-bench"); at > 0 {
		files, err := filepath.Glob(filepath.Join("../..", packages, "*_test.go"))
		check(r.t, err)
		benchmark := regexp.MustCompile(`(?m)^func Benchmark\w*` + words[at+1])
		if !slices.ContainsFunc(files, func(f string) bool { text, err := os.ReadFile(f); return err == nil && benchmark.Match(text) }) {
			r.t.Errorf("%s: %s: no benchmark %s there", i.where, line, words[at+1])
		}
	}
}
