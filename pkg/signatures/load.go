package signatures

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Load reads rules. Rules that cannot be loaded are left out and reported; the ruleset holds all others.
func Load(sources []Source, opts Options) (*Ruleset, []Problem) {
	l := loader{rs: &Ruleset{options: opts, names: keyword.NewNames()}}
	if opts.Previous != nil {
		l.rs.names = opts.Previous.names
	}
	l.configure()
	var all []compiled
	for _, src := range sources {
		all = append(all, l.compile(src)...)
	}
	l.unique(all)
	l.thresholds()
	l.rs.sort()
	l.rs.build()
	l.rs.options.Previous = nil // or it would be kept for as long as this one, and its own before it
	return l.rs, l.problems
}

type loader struct {
	rs       *Ruleset
	problems []Problem
	env      keyword.Env
}

// configure reads what rules refer to: classes, references, variables, datasets.
func (l *loader) configure() {
	o := &l.rs.options
	classes, problems := parseClasses(o.Classification)
	l.problems = append(l.problems, problems...)
	references, problems := parseReferences(o.Reference)
	l.problems = append(l.problems, problems...)
	l.rs.references = references
	l.env = keyword.Env{Variables: o.variables(), Classes: classes, Names: l.rs.names}
	if o.ReadFile != nil {
		l.env.Files = &keyword.Files{Read: o.ReadFile, Reputation: o.Reputation, NoWrite: o.NoWrite, AnyPath: o.AnyPath}
		if o.Previous != nil && o.Previous.files != nil {
			l.env.Files.Inherit(o.Previous.files)
		}
		for name, d := range o.Datasets {
			if err := l.env.Files.Define(name, d); err != nil {
				l.problems = append(l.problems, Problem{Error: syntax.Error{Keyword: "dataset", Err: err}})
			}
		}
	}
	l.rs.files = l.env.Files
}

// compiled is what became of one rule, or of a line that is none.
type compiled struct {
	pos      syntax.Pos
	sig      *keyword.Signature
	warnings []error
	err      error
	disabled bool
}

// compile parses and compiles a file, chunk by chunk and in parallel: of the syntax trees there are only a few at a time.
func (l *loader) compile(src Source) []compiled {
	chunks := syntax.Split(src.Name, src.Text)
	parts := make([][]compiled, len(chunks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		env := l.env // each has caches of its own
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chunks)); i = next.Add(1) - 1 {
				parts[i] = compileChunk(chunks[i], &env)
			}
		})
	}
	wg.Wait()
	return slices.Concat(parts...)
}

func compileChunk(c syntax.Chunk, env *keyword.Env) []compiled {
	rules, errs := c.Parse()
	out := make([]compiled, 0, len(rules)+len(errs))
	for _, err := range errs {
		out = append(out, compiled{pos: err.Pos, err: err})
	}
	for _, r := range rules {
		one := compiled{pos: r.Pos, disabled: r.Disabled}
		if !r.Disabled {
			one.sig, one.warnings, one.err = keyword.Compile(r, env)
			if r.Unfinished {
				one.warnings = append(one.warnings, syntax.ErrNoFinal)
			}
		}
		out = append(out, one)
	}
	return out
}

// unique reports what failed, and keeps of the rules with one number the one with the highest revision.
func (l *loader) unique(all []compiled) {
	type number struct{ gid, sid uint32 }
	place := make(map[number]int, len(all))
	sigs := make([]*keyword.Signature, 0, len(all))
	for i := range all {
		c := &all[i]
		l.rs.counts.Rules++
		if c.disabled {
			l.rs.counts.Disabled++
			continue
		}
		if c.err != nil {
			l.failed(c)
			continue
		}
		for _, w := range c.warnings {
			l.problem(c.pos, c.sig.SID, w, true)
		}
		key := number{c.sig.GID, c.sig.SID}
		at, twice := place[key]
		switch {
		case !twice:
			place[key] = len(sigs)
			sigs = append(sigs, c.sig)
		case sigs[at].Rev < c.sig.Rev:
			sigs[at] = c.sig
			l.rs.counts.Skipped++
		case sigs[at].Rev > c.sig.Rev:
			l.rs.counts.Skipped++
		default:
			l.rs.counts.Failed++
			l.problem(c.pos, c.sig.SID, fmt.Errorf("sid %d rev %d is a duplicate of %s:%d", c.sig.SID, c.sig.Rev, sigs[at].File, sigs[at].Line), false)
		}
	}
	l.rs.signatures = sigs
	l.rs.counts.Loaded = len(sigs)
}

func (l *loader) failed(c *compiled) {
	if errors.Is(c.err, keyword.ErrSkip) {
		l.rs.counts.Skipped++
		return
	}
	l.rs.counts.Failed++
	l.problem(c.pos, 0, c.err, false)
}

// problem records err, or each of the errors that it joins.
func (l *loader) problem(pos syntax.Pos, sid uint32, err error, warning bool) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.problem(pos, sid, e, warning)
		}
		return
	}
	p := Problem{SID: sid, Warning: warning}
	var at *syntax.Error
	if errors.As(err, &at) {
		p.Error = *at
	} else {
		p.Error = syntax.Error{Pos: pos, Err: err}
	}
	l.problems = append(l.problems, p)
}

// sort brings the rules into the order of evaluation: by action; then those first that set what others read; then by
// severity; then as they were loaded.
func (rs *Ruleset) sort() {
	order := rs.options.ActionOrder
	if order == nil {
		order = []keyword.Action{keyword.Pass, keyword.Drop, keyword.Reject, keyword.Alert}
	}
	rank := func(a keyword.Action) int {
		if a.Rejects() {
			a = keyword.Reject
		}
		if i := slices.Index(order, a); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(rs.signatures, func(a, b *keyword.Signature) int {
		for _, c := range [...]int{
			rank(a.Action) - rank(b.Action), useRank(b.FlowBits) - useRank(a.FlowBits), useRank(b.FlowInts) - useRank(a.FlowInts),
			useRank(b.HostBits) - useRank(a.HostBits), useRank(b.XBits) - useRank(a.XBits), a.Priority - b.Priority,
		} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	for i, s := range rs.signatures {
		s.Order = uint32(i)
	}
}

// useRank: what sets comes before what sets and reads, before what reads, before what does neither.
func useRank(u keyword.BitUse) int {
	switch u {
	case keyword.UseSets:
		return 3
	case keyword.UseSets | keyword.UseReads:
		return 2
	case keyword.UseReads:
		return 1
	}
	return 0
}

// String returns "file:line:col: keyword: reason".
func (p Problem) String() string { return strings.TrimPrefix(p.Error.Error(), ":0:0: ") }
