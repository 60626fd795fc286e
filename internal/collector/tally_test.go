package collector

import (
	"testing"

	"github.com/weir-ips/weir/internal/collector/api"
)

func TestHitsOutliveTheirVerdict(t *testing.T) {
	var tally tally
	known := map[string]bool{"v-1": true, "v-2": true}
	look := func(hits map[string]api.Hits) map[string]api.Hits {
		tally.note(hits, func(id string) bool { return known[id] })
		return hits
	}
	look(map[string]api.Hits{"v-1": {Packets: 7, Bytes: 700}, "v-2": {Packets: 1, Bytes: 60}, "unknown": {Packets: 9}})
	if got := look(map[string]api.Hits{"v-2": {Packets: 3, Bytes: 180}}); got["v-1"] != (api.Hits{Packets: 7, Bytes: 700}) || got["v-2"].Packets != 3 {
		t.Errorf("after v-1 has ended: %v", got)
	}
	if got := look(map[string]api.Hits{"v-1": {Packets: 2}}); got["v-1"].Packets != 7 {
		t.Errorf("a sensor less: %v", got)
	}
	delete(known, "v-1")
	if got := look(map[string]api.Hits{}); len(got) != 1 || len(tally.most) != 1 {
		t.Errorf("forgotten verdicts: %v, kept %v", got, tally.most)
	}
}
