package prefilter

import (
	_ "embed"
	"math/bits"
	"slices"
	"sync"
)

// sampled are words of four bytes, taken from traffic at random. TestRarityTable writes them from captures.
//
//go:embed words.bin
var sampled string

// samples is how many words there are.
const samples = 1024

// sampleSet says of each sampled word whether it is in a set.
type sampleSet [samples / 64]uint64

// bucket is what patterns that share a bucket let pass together, measured with the sampled words.
type bucket struct {
	places  [4]sampleSet // words whose byte in a place is one that a pattern has there
	entries []shortEntry
	cost    int
}

// withByte returns the words that have a byte in a place.
var withByte = sync.OnceValue(func() *[4][256]sampleSet {
	all := new([4][256]sampleSet)
	for i := range len(sampled) {
		all[i%4][sampled[i]][i/4/64] |= 1 << (i / 4 % 64)
	}
	return all
})

// passing returns the words that fit an entry in each of the four places.
func passing(e *shortEntry) (places [4]sampleSet) {
	words := withByte()
	for k := range places {
		value, mask := byte(e.value>>(8*k)), byte(e.mask>>(8*k))
		for either, more := ^mask, true; more; either = (either - 1) &^ mask { // each of the bytes that fit
			for i, w := range words[k][value|either] {
				places[k][i] |= w
			}
			more = either != 0
		}
	}
	return places
}

// costWith is what a bucket lets pass with one more entry, in 2^-20 of the sample: the sampled words that pass, and to a quarter
// what is to be expected of others, if the places of a word did not depend on each other.
func (b *bucket) costWith(places *[4]sampleSet) int {
	all, each := 0, [4]int{}
	for i := range samples / 64 {
		passing := ^uint64(0)
		for k := range each {
			w := b.places[k][i] | places[k][i]
			each[k] += bits.OnesCount64(w)
			passing &= w
		}
		all += bits.OnesCount64(passing)
	}
	expected := 1
	for _, n := range each {
		expected *= n + len(b.entries) + 1 // bytes of an entry may be in traffic, but not in the sample
	}
	return all<<20 + expected>>12
}

func (b *bucket) add(e *shortEntry, places *[4]sampleSet) {
	b.cost = b.costWith(places)
	for k := range places {
		for i, w := range places[k] {
			b.places[k][i] |= w
		}
	}
	b.entries = append(b.entries, *e)
}

// spread sorts entries into n buckets so that little passes that fits no entry: those first of which the most is in traffic,
// each where it adds least.
func spread(entries []shortEntry, n int) [][]shortEntry {
	buckets := make([]bucket, n)
	places := make([][4]sampleSet, len(entries))
	order := make([]int, len(entries))
	var empty bucket
	alone := make([]int, len(entries))
	for i := range entries {
		places[i] = passing(&entries[i])
		alone[i] = empty.costWith(&places[i])
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return alone[b] - alone[a] })
	for _, i := range order {
		best, least := 0, 1<<62
		for k := range buckets {
			if more := buckets[k].costWith(&places[i]) - buckets[k].cost; more < least {
				best, least = k, more
			}
		}
		buckets[best].add(&entries[i], &places[i])
	}
	all := make([][]shortEntry, n)
	for k := range buckets {
		all[k] = buckets[k].entries
	}
	return all
}

// frequency is how often each byte is in the sample.
var frequency = sync.OnceValue(func() *[256]int {
	all := new([256]int)
	for i := range len(sampled) {
		all[sampled[i]]++
	}
	return all
})
