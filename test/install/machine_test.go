package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/lab"
)

// machine is a container that has booted systemd as its first process.
type machine struct {
	t      *testing.T
	name   string
	root   string
	nspawn *exec.Cmd
	ended  chan error
	first  string // pid of its systemd
	said   bytes.Buffer
}

// baseRoot is a minimal Debian with systemd, made once and kept in the user's cache.
func baseRoot(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (apt-get install debootstrap systemd-container): packages are not installed anywhere here", tool)
		}
	}
	cache, err := os.UserCacheDir()
	check(t, err)
	root := filepath.Join(cache, "weir-test", "bookworm-systemd-2")
	if _, err := os.Stat(root); err == nil {
		return root
	}
	check(t, os.MkdirAll(filepath.Dir(root), 0o755))
	fresh, err := os.MkdirTemp(filepath.Dir(root), "making-")
	check(t, err)
	defer os.RemoveAll(fresh)
	command(t, "debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,iproute2,curl,ethtool,jq,netcat-openbsd,procps,sudo", "bookworm", fresh)
	check(t, os.Rename(fresh, root))
	return root
}

// newMachine makes a machine of the base root; what it changes is its own. shared is a folder it sees as /shared.
func newMachine(t *testing.T, name, base, shared string) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, name: name, root: filepath.Join(dir, "root"), ended: make(chan error, 1)}
	for _, d := range []string{"root", "upper", "work"} {
		check(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	check(t, unix.Mount("overlay", m.root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/upper,workdir=%[2]s/work", base, dir)))
	t.Cleanup(func() { check(t, unix.Unmount(m.root, 0)) })
	m.nspawn = exec.Command("systemd-nspawn", "--quiet", "--directory="+m.root, "--machine="+name, "--boot", "--register=no", "--keep-unit",
		"--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK", "--system-call-filter=bpf perf_event_open",
		"--bind-ro="+shared+":/shared", "--link-journal=no", "--console=pipe")
	m.nspawn.Stdout, m.nspawn.Stderr = &m.said, &m.said
	return m
}

// boot starts the machine in a namespace's network, or in that of the tests.
func (m *machine) boot(ns *lab.Namespace) {
	m.t.Helper()
	start := m.nspawn.Start
	if ns != nil {
		start = func() error { return ns.Start(m.nspawn) }
	}
	check(m.t, start())
	m.t.Cleanup(m.powerOff)
	go func() { m.ended <- m.nspawn.Wait() }()
	m.await("systemd runs", 60*time.Second, func() bool {
		m.first = m.systemd()
		if m.first == "" {
			return false
		}
		state, _ := m.try("systemctl", "is-system-running")
		state = strings.TrimSpace(state)
		return state == "running" || state == "degraded" // units that a container cannot have
	})
}

// systemd finds the first process of the container: nspawn's child of that name.
func (m *machine) systemd() string {
	pid := m.nspawn.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return ""
	}
	for _, child := range strings.Fields(string(children)) {
		if comm, err := os.ReadFile("/proc/" + child + "/comm"); err == nil && string(comm) == "systemd\n" {
			return child
		}
	}
	return ""
}

func (m *machine) powerOff() {
	m.nspawn.Process.Signal(unix.SIGTERM) // nspawn asks systemd to power off
	select {
	case <-m.ended:
	case <-time.After(30 * time.Second):
		m.nspawn.Process.Kill()
		<-m.ended
	}
	if m.t.Failed() {
		m.t.Logf("%s said:\n%s", m.name, &m.said)
	}
}

// try runs a command in the machine.
func (m *machine) try(words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", m.first, "--all", "--"}, words...)...)
	cmd.WaitDelay = time.Second // what nsenter started outlives it, with its output in hand
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for what must succeed.
func (m *machine) run(words ...string) string {
	m.t.Helper()
	out, err := m.try(words...)
	if err != nil {
		journal, _ := m.try("journalctl", "--no-pager", "-n", "60", "-u", "weir-*")
		m.t.Fatalf("%s: %v: %v\n%s\n%s", m.name, words, err, out, journal)
	}
	return out
}

// write puts a file into the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	cmd := exec.Command("nsenter", "--target", m.first, "--all", "--", "sh", "-c", `mkdir -p "$(dirname "$0")" && cat >"$0"`, path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: write %s: %v\n%s", m.name, path, err, out)
	}
}

func (m *machine) await(what string, limit time.Duration, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			journal, _ := m.try("journalctl", "--no-pager", "-n", "60", "-u", "weir-*")
			m.t.Fatalf("%s: not within %v: %s\n%s", m.name, limit, what, journal)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", words, err, out)
	}
	return string(out)
}
