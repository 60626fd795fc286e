package prefilter_test

import (
	"flag"
	"os"
	"testing"

	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/signatures/prefilter/prefiltertest"
)

var update = flag.Bool("update", false, "write rarity.bin and words.bin from the captures in WEIR_DATA")

// TestRarityTable knows that what is frequent in traffic is frequent in the table.
func TestRarityTable(t *testing.T) {
	if *update {
		dir, reason := prefiltertest.Data()
		if dir == "" {
			t.Fatal(reason)
		}
		var p prefilter.Pieces
		if err := prefiltertest.EachPayload(dir+"/suricata-verify", 256<<10, p.Add); err != nil {
			t.Fatal(err)
		}
		var w prefilter.Words
		for _, captures := range []string{"/suricata-verify", "/pcaps"} {
			if err := prefiltertest.EachPayload(dir+captures, 64<<10, w.Add); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile("words.bin", w.Sample(), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("rarity.bin", p.Table(), 0o644); err != nil {
			t.Fatal(err)
		}
		return // the one in use is that of the build
	}
	rare := func(piece string) byte { return prefilter.Measured()[prefilter.PieceHash([]byte(piece))] }
	for _, frequent := range []string{"htt", "ttp", "\x00\x00\x00", "www", "com"} {
		for _, seldom := range []string{"xq7", "\xf3Kz", "q%j"} {
			if rare(frequent) >= rare(seldom) {
				t.Errorf("%q is as rare as %q", frequent, seldom)
			}
		}
	}
}
