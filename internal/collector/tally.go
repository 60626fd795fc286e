package collector

import (
	"sync"

	"github.com/weir-ips/weir/internal/collector/api"
)

// tally remembers what verdicts have stopped. Sensors report it of verdicts in force alone, and people ask most about those that have just
// ended, and when a sensor is away. It is safe for concurrent use and begins anew with the collector.
type tally struct {
	mu   sync.Mutex
	most map[string]api.Hits // by verdict id
}

// note takes in what sensors report now, and puts what was more before into hits. Verdicts that known does not name are forgotten.
func (t *tally) note(hits map[string]api.Hits, known func(id string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, before := range t.most {
		if !known(id) {
			delete(t.most, id)
		} else if hits[id].Packets < before.Packets {
			hits[id] = before
		}
	}
	if t.most == nil {
		t.most = map[string]api.Hits{}
	}
	for id, h := range hits {
		if h.Packets > t.most[id].Packets && known(id) {
			t.most[id] = h
		}
	}
}
