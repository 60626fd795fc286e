package servicefile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestTheServiceReadsWhatRootWrote writes, as root, into the folder of somebody else.
func TestTheServiceReadsWhatRootWrote(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: nobody could give a file away")
	}
	const service = 1234
	dir := t.TempDir()
	if err := os.Chown(dir, service, service); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key")
	for _, text := range []string{"first", "second"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != service || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: of %d with mode %o, want %d and 600", text, owner.Uid, info.Mode().Perm(), service)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
