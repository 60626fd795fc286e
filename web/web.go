// Package web is the console: its source in src, its third-party sources in vendor, and the bundle of both in dist, which is
// committed and embedded, so that neither building nor running Weir needs Node.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/weir-ips/weir/docs"
)

//go:generate go run ./build

//go:embed dist
var dist embed.FS

// file is one file of the bundle, ready to be sent.
type file struct {
	kind         string // media type
	etag         string
	raw, gzipped []byte
}

// Handler serves the console at / and its files beside it. The console keeps its state in the query.
func Handler() (http.Handler, error) {
	files := map[string]file{}
	err := fs.WalkDir(dist, "dist", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := dist.ReadFile(p)
		if err != nil {
			return err
		}
		files["/"+strings.TrimPrefix(p, "dist/")], err = prepare(p, raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	index, ok := files["/index.html"]
	if !ok {
		return nil, fmt.Errorf("console: dist/index.html is missing: go generate ./web")
	}
	files["/"] = index
	if files["/runbook.md"], err = prepare("runbook.txt", docs.AttackRunbook); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, files) }), nil
}

func prepare(name string, raw []byte) (file, error) {
	sum := sha256.Sum256(raw)
	f := file{kind: mime.TypeByExtension(path.Ext(name)), etag: `"` + hex.EncodeToString(sum[:12]) + `"`, raw: raw}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if _, err := z.Write(raw); err != nil {
		return file{}, err
	}
	if err := z.Close(); err != nil {
		return file{}, err
	}
	f.gzipped = b.Bytes()
	return f, nil
}

func serve(w http.ResponseWriter, r *http.Request, files map[string]file) {
	f, ok := files[r.URL.Path]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the console is only read", http.StatusMethodNotAllowed)
		return
	case !ok:
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // ask, and get 304
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.raw
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body)
}
