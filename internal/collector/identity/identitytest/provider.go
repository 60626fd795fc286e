// Package identitytest runs an OpenID provider for tests.
package identitytest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Provider builds and starts a real OpenID provider, which is of a module of its own in test/peers/oidc below root, and returns its issuer.
// It knows the client "weir" with the secret "secret", which it sends back to redirect, and the users "test-user@127.0.0.1" and
// "test-user2", whose password is "verysecure".
func Provider(t *testing.T, root, redirect string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "provider")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join(root, "test", "peers", "oidc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the provider: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), bin, "127.0.0.1:0", redirect)
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Process.Kill(); run.Wait() })
	issuer, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(issuer)
}
