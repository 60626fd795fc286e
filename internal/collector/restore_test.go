package collector

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// archived is a compressed tar of one file.
func archived(t testing.TB, name, text string, kind byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600, Typeflag: kind, Linkname: "/etc/passwd"}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(text))
	w.Close()
	z.Close()
	return out.Bytes()
}

func TestRestoreRefuses(t *testing.T) {
	for want, data := range map[string][]byte{
		`"../evil" in it`:       archived(t, "../evil", "x", tar.TypeReg),
		`"/etc/passwd" in it`:   archived(t, "/etc/passwd", "x", tar.TypeReg),
		`"link" in it`:          archived(t, "link", "", tar.TypeSymlink),
		"has no manifest":       archived(t, "collector.key", "x", tar.TypeReg),
		"of form 9":             archived(t, manifestFile, `{"form":9}`, tar.TypeReg),
		"should have 1":         archived(t, manifestFile, `{"form":1,"files":{"a":"00"}}`, tar.TypeReg),
		"magic number mismatch": []byte("something else entirely"),
	} {
		dir := filepath.Join(t.TempDir(), "data")
		_, err := Restore(bytes.NewReader(data), dir)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
			t.Errorf("%s left %v", want, left)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(archived(f, "collector.key", "x", tar.TypeReg))
	f.Add(archived(f, manifestFile, `{"form":1}`, tar.TypeReg))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		outside := filepath.Join(dir, "outside")
		os.WriteFile(outside, []byte("whole"), 0o600)
		if _, err := Restore(bytes.NewReader(data), filepath.Join(dir, "data")); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
				t.Fatal("restored, and there is nothing")
			}
		}
		if text, _ := os.ReadFile(outside); string(text) != "whole" {
			t.Fatal("a backup reached out of its directory")
		}
	})
}
