package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// maxBundle is what a browser loads at most, compressed.
const maxBundle = 120 << 10

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandlerServesTheBundle(t *testing.T) {
	for path, want := range map[string]struct{ kind, text string }{
		"/":             {"text/html", `src="/app.js"`},
		"/app.js":       {"text/javascript", "EventSource"},
		"/style.css":    {"text/css", "--accent"},
		"/icon.svg":     {"image/svg+xml", "<svg"},
		"/LICENSES.txt": {"text/plain", "MIT"},
		"/runbook.md":   {"text/plain", "## SYN flood"},
	} {
		w := get(t, path)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), want.kind) || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s of %d bytes; want %s with %q", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len(), want.kind, want.text)
		}
		again := get(t, path, "If-None-Match", w.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s again: %d", path, again.Code)
		}
	}
	if w := get(t, "/none"); w.Code != http.StatusNotFound {
		t.Errorf("/none: %d", w.Code)
	}
}

func TestBundleIsSmall(t *testing.T) {
	sum := 0
	for _, path := range []string{"/", "/app.js", "/style.css", "/icon.svg"} {
		w := get(t, path, "Accept-Encoding", "gzip")
		if w.Header().Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s is not compressed", path)
		}
		sum += w.Body.Len()
	}
	t.Logf("a browser loads %d bytes", sum)
	if sum > maxBundle {
		t.Errorf("a browser loads %d bytes, at most %d", sum, maxBundle)
	}
}

func TestPageHoldsNoInlineScript(t *testing.T) {
	page := get(t, "/").Body.String()
	for _, bad := range []string{"<script>", "onload=", "style=", "http:", "https:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s, which its policy forbids", bad)
		}
	}
}
