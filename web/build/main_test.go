package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed bundle is what the committed source makes, byte for byte.
func TestBundleIsCurrent(t *testing.T) {
	files, err := bundle("..")
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob("../dist/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != len(files) {
		t.Errorf("dist holds %d files, the source makes %d: go generate ./web", len(committed), len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "dist", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("dist/%s is not what the source makes (%v): go generate ./web", name, err)
		}
	}
}

func TestBundleRefusesWhatIsNotVendored(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "src", "style"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"src/main.tsx": `import "left-pad"`, "src/style/app.css": ""} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bundle(root); err == nil {
		t.Error("a package from nowhere was bundled")
	}
}
