package victorialogs

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// startServer builds a real server from its module and runs it; args are added to its flags.
func startServer(t *testing.T, args ...string) (url string) {
	t.Helper()
	tool := exec.Command("go", "tool", "-n", "victoria-logs")
	tool.Dir, tool.Env = "../../../test/peers/victorialogs", append(os.Environ(), "GOFLAGS=-mod=mod -trimpath -buildvcs=false", "CGO_ENABLED=0")
	var said bytes.Buffer
	tool.Stderr = &said
	program, err := tool.Output()
	if err != nil {
		t.Fatalf("build the VictoriaLogs server: %v: %s", err, &said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	server := exec.Command(strings.TrimSpace(string(program)), append([]string{
		"-storageDataPath=" + t.TempDir(), "-httpListenAddr=" + address, "-retentionPeriod=100y", "-futureRetention=100y", "-memory.allowedBytes=256MiB",
	}, args...)...)
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		if t.Failed() {
			t.Logf("server: %s", said.Bytes()[max(0, said.Len()-2000):])
		}
	})
	for range 300 {
		if resp, err := http.Get("http://" + address + "/health"); err == nil {
			resp.Body.Close()
			return "http://" + address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the VictoriaLogs server does not answer")
	return ""
}

// open opens a store on the server, with a desk in path.
func open(t *testing.T, url, desk string) *Store {
	t.Helper()
	d, err := store.OpenDesk(desk, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{URL: url, Client: http.DefaultClient, Desk: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); d.Close() })
	return s
}

func deskFile(t *testing.T) string { return filepath.Join(t.TempDir(), "triage.db") }
