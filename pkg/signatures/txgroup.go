package signatures

import (
	"slices"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// txGroup are the rules of the transactions of one protocol and direction.
type txGroup struct {
	engines []txEngine
	always  []uint32 // without fast pattern: candidates of every transaction
	events  []uint32 // of app-layer-event: candidates once a transaction has events
	// byPayload says that there are rules without fast pattern in a buffer, but with one in the payload
	byPayload bool
}

// txEngine looks for the fast patterns of one buffer. Engines are sorted by the step at which the buffer is there.
type txEngine struct {
	group   *keyword.Group // any of the rules' groups with this buffer and these transforms
	source  *keyword.Source
	set     *scanSet
	longest int // of the patterns: how far back a growing buffer is scanned again
}

type txBuilder struct {
	always, events []uint32
	byPayload      bool
	engines        []engineBuilder
}

type engineBuilder struct {
	group  *keyword.Group
	source *keyword.Source
	set    setBuilder
}

// addTx sorts in a rule that is evaluated on transactions.
func (b *builder) addTx(s *keyword.Signature) {
	if s.PayloadFast.Pattern != nil {
		b.addPayload(s)
	}
	for p := app.Proto(0); p < app.NumProtos; p++ {
		if s.Apps != 0 && !s.Apps.Has(p) {
			continue
		}
		for _, d := range [...]app.Direction{app.ToServer, app.ToClient} {
			if !s.Dirs.Has(d) {
				continue
			}
			t := &b.txs[p][d]
			switch {
			case s.Fast.Pattern != nil:
				g := s.Groups[s.Fast.Group]
				if src := g.Source(p, d); src != nil {
					t.engine(g, src).set.add(&s.Fast, s.Order)
				}
			case len(s.AppEvents) > 0:
				t.events = append(t.events, s.Order)
			case s.PayloadFast.Pattern != nil:
				t.byPayload = true
			default:
				t.always = append(t.always, s.Order)
			}
		}
	}
}

// sharedSets are the matchers that have been built, by buffer: protocols that have a buffer in common mostly have the same rules
// about it.
type sharedSets map[string][]sharedSet

type sharedSet struct {
	from *setBuilder
	set  *scanSet
}

// build returns the matcher of b, which an equal one shares.
func (s sharedSets) build(key string, b *setBuilder) *scanSet {
	for _, o := range s[key] {
		if o.from.equal(b) {
			return o.set
		}
	}
	set := b.build()
	s[key] = append(s[key], sharedSet{b, set})
	return set
}

func (t *txBuilder) engine(g *keyword.Group, src *keyword.Source) *engineBuilder {
	for i := range t.engines {
		if e := &t.engines[i]; e.group.Key == g.Key {
			return e
		}
	}
	t.engines = append(t.engines, engineBuilder{group: g, source: src})
	return &t.engines[len(t.engines)-1]
}

func (t *txBuilder) build(built sharedSets) txGroup {
	g := txGroup{always: t.always, events: t.events, byPayload: t.byPayload}
	for i := range t.engines {
		e := &t.engines[i]
		g.engines = append(g.engines, txEngine{group: e.group, source: e.source, set: built.build(e.group.Key, &e.set), longest: e.set.longest})
	}
	slices.SortStableFunc(g.engines, func(a, b txEngine) int { return int(a.source.Progress) - int(b.source.Progress) })
	return g
}
