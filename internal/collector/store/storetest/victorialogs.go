package storetest

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
)

// StartVictoriaLogs builds a real server from its module, as the go command knows it from here, and runs it as long as the test; args
// are added to its flags.
func StartVictoriaLogs(t testing.TB, args ...string) (url string) {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	tool := exec.Command("go", "tool", "-n", "victoria-logs")
	tool.Dir = filepath.Join(strings.TrimSpace(string(root)), "test", "peers", "victorialogs")
	tool.Env = append(os.Environ(), "GOFLAGS=-mod=mod -trimpath -buildvcs=false", "CGO_ENABLED=0")
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
