package path

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

func TestFileStore(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // SHA-256 of "abc" (FIPS 180-2)
	for _, c := range []struct {
		name  string
		force bool
		asked bool // a rule asked for it
		steps []app.File
		want  bool
	}{
		{"whole at once", true, false, []app.File{{Data: []byte("abc")}}, true},
		{"in pieces, the window slides", true, false, []app.File{{Data: []byte("ab")}, {Data: []byte("bc"), Base: 1}}, true},
		{"bytes lost before they were seen", true, false, []app.File{{Data: []byte("a")}, {Data: []byte("c"), Base: 2}}, false},
		{"nobody asked", false, false, []app.File{{Data: []byte("abc")}}, false},
		{"a rule asked", false, true, []app.File{{Data: []byte("abc")}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := NewFileStore(dir, c.force)
			if err != nil {
				t.Fatal(err)
			}
			p := &Path{cfg: Config{Store: s}}
			f := &app.File{Stored: c.asked}
			for i, step := range c.steps {
				f.Data, f.Base = step.Data, step.Base
				p.store(f, i == len(c.steps)-1)
			}
			got, err := os.ReadFile(filepath.Join(dir, abc[:2], abc))
			if stored := err == nil && string(got) == "abc"; stored != c.want || f.Stored != c.want {
				t.Errorf("stored %v (%v), file says %v, want %v", stored, err, f.Stored, c.want)
			}
			if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 || len(p.storing) > 0 {
				t.Errorf("left behind: %v, %v, %d open", left, err, len(p.storing))
			}
		})
	}
}
