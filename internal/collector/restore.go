package collector

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// Restore makes the data directory, which must not exist or be empty, of a backup, and returns what the backup says of itself.
// Nothing is left behind if it is not whole.
func Restore(r io.Reader, data string) (*Manifest, error) {
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty: restore into a new directory", data)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	data = filepath.Clean(data)
	temp, err := os.MkdirTemp(filepath.Dir(data), filepath.Base(data)+".restoring-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) // gone once it is renamed
	m, err := unpack(r, temp)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return m, os.Rename(temp, data)
}

// maxManifest bounds the manifest in bytes.
const maxManifest = 64 << 20

// unpack writes the files and holds them against the manifest, which comes last.
func unpack(r io.Reader, dir string) (*Manifest, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, fmt.Errorf("not a backup: %w", err)
	}
	defer z.Close()
	found := map[string]string{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the backup is cut short: it has no manifest")
		}
		if err != nil {
			return nil, fmt.Errorf("not a whole backup: %w", err)
		}
		if h.Name == manifestFile {
			return manifest(io.LimitReader(t, maxManifest), found)
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("not a backup: it has %q in it", h.Name)
		}
		if found[h.Name], err = writeEntry(t, filepath.Join(dir, filepath.FromSlash(h.Name))); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func writeEntry(r io.Reader, path string) (sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash), r)
	if err == nil {
		err = f.Sync()
	}
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, f.Close())
}

func manifest(r io.Reader, found map[string]string) (*Manifest, error) {
	m := new(Manifest)
	if err := json.NewDecoder(r).Decode(m); err != nil {
		return nil, fmt.Errorf("the backup's manifest: %w", err)
	}
	if m.Form != backupForm {
		return nil, fmt.Errorf("the backup is of form %d, and this collector reads %d", m.Form, backupForm)
	}
	if len(m.Files) != len(found) {
		return nil, fmt.Errorf("the backup has %d files and should have %d", len(found), len(m.Files))
	}
	for name, sum := range m.Files {
		if found[name] != sum {
			return nil, fmt.Errorf("%s is not what was backed up", name)
		}
	}
	return m, nil
}
