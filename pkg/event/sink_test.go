package event

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFileReopen(t *testing.T) {
	dir := t.TempDir()
	name, old := filepath.Join(dir, "eve.json"), filepath.Join(dir, "eve.json.1")
	f, err := Create(name, false)
	if err != nil {
		t.Fatal(err)
	}
	f.Put(Alert, []byte(`{"n":1}`))
	if err := os.Rename(name, old); err != nil {
		t.Fatal(err)
	}
	f.Put(Alert, []byte(`{"n":2}`))
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	f.Put(Alert, []byte(`{"n":3}`))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{old: "{\"n\":1}\n{\"n\":2}\n", name: "{\"n\":3}\n"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", filepath.Base(file), got, err, want)
		}
	}
	if written, lost := f.Counts(); written != 3 || lost != 0 {
		t.Errorf("%d written and %d lost, want 3 and 0", written, lost)
	}
}

func TestFileFull(t *testing.T) {
	f, err := Create("/dev/full", true)
	if err != nil {
		t.Fatal(err)
	}
	f.Put(Alert, []byte("{}"))
	if err := f.Flush(); err == nil {
		t.Error("a full disk went unnoticed")
	}
	f.Put(Alert, []byte("{}"))
	if _, lost := f.Counts(); lost != 1 {
		t.Errorf("%d records lost, want 1", lost)
	}
	if err := f.Close(); err == nil {
		t.Error("Close forgot the error")
	}
}

func TestCreateRefuses(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "none", "eve.json"), false); err == nil {
		t.Error("a directory that does not exist was accepted")
	}
}
