package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// The tests here, those of the same kind in pkg/verdict/enforce, and others that docs/concepts/verdict-safety.md lists, are named
// after what has taken others' networks down.

// Lists of bogons were loaded inside networks, one was "overly wide" for a day, and one held 0.0.0.0/0.
func TestAFeedWithTheWholeInternetInIt(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("0.0.0.0/0\n10.0.0.0/8\n192.168.1.1\n::/0\n224.0.0.0/4\n169.254.169.254\n8.0.0.0/9\n45.33.0.7\n9.9.9.9\n127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config", config(t, dir, "never-block: [9.9.9.9]\nfeeds: [{name: all, url: "+list+", action: drop, every: 1h}]\n"))
	s := connect(t, "edge-1", p.bus, dir, "")
	eventually(t, "what is an address of the internet is on the sensor", func() bool { return s.has("45.33.0.7/32") })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.m) != 1 {
		t.Errorf("on the sensor: %v", s.m)
	}
	var feeds struct{ Feeds []struct{ Entries int } }
	if p.call(http.MethodGet, "/api/v1/feeds", nil, &feeds); len(feeds.Feeds) != 1 || feeds.Feeds[0].Entries != 1 {
		t.Errorf("feeds: %+v", feeds)
	}
}
