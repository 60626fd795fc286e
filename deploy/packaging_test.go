package deploy

import (
	"os/exec"
	"testing"
)

// TestPackaging runs the tests of the packaging module, which ./... does not reach.
func TestPackaging(t *testing.T) {
	out, err := exec.Command("go", "test", "-C", "packaging", "-count=1", ".").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
