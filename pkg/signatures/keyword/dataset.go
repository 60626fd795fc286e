package keyword

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type locker = sync.Mutex

// Dataset is a named set of values, with a reputation each when datarep uses it. It is bounded and safe for concurrent use,
// and it outlives the ruleset that named it.
type Dataset struct {
	Name, Type string
	mu         sync.RWMutex
	values     map[string]uint16
	limit      int
}

// maxDataset bounds the values of a set that does not say hashsize.
const maxDataset = 1 << 20

func (d *Dataset) get(v []byte) (uint16, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.values[string(v)]
	return r, ok
}

// Add puts a value into the set; false when it is full.
func (d *Dataset) Add(v []byte, reputation uint16) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.values[string(v)]; !ok && len(d.values) >= d.limit {
		return false
	}
	d.values[string(v)] = reputation
	return true
}

// Remove takes a value out of the set.
func (d *Dataset) Remove(v []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.values, string(v))
}

// Len returns how many values the set holds.
func (d *Dataset) Len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.values)
}

// DatasetConfig is a dataset that the configuration defines.
type DatasetConfig struct {
	Type  string // string, md5, sha256, ip, ipv4
	Load  string // file, "" for none
	State string // file to load from and, by the caller, to save to
}

// dataset finds a set or makes it, reading file when one is named.
func (f *Files) dataset(name, kind, file string, state bool, limit int) (*Dataset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.datasets[name]; d != nil {
		if kind != "" && d.Type != kind {
			return nil, fmt.Errorf("dataset %s has the type %s, not %s", name, d.Type, kind)
		}
		return d, nil
	}
	if kind == "" {
		return nil, fmt.Errorf("dataset %s is not defined: type is needed", name)
	}
	if limit == 0 {
		limit = maxDataset
	}
	d := &Dataset{Name: name, Type: kind, values: map[string]uint16{}, limit: limit}
	if file != "" {
		data, err := f.Read(file)
		if errors.Is(err, fs.ErrNotExist) && state {
			err = nil // it is written when the set is saved
		}
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", name, err)
		}
		if err := d.load(data); err != nil {
			return nil, fmt.Errorf("dataset %s: %s: %w", name, file, err)
		}
	}
	if f.datasets == nil {
		f.datasets = map[string]*Dataset{}
	}
	f.datasets[name] = d
	return d, nil
}

// load reads one value a line, with a reputation after a comma.
func (d *Dataset) load(data []byte) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text, rep, _ := strings.Cut(strings.TrimSpace(string(line)), ",")
		if text == "" || text[0] == '#' {
			continue
		}
		v, err := d.parse(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		r, _ := strconv.ParseUint(strings.TrimSpace(rep), 10, 16)
		if !d.Add(v, uint16(r)) {
			return fmt.Errorf("line %d: more than %d values", n, d.limit)
		}
	}
	return nil
}

// parse turns a line into the bytes that a buffer is compared with.
func (d *Dataset) parse(s string) ([]byte, error) {
	switch d.Type {
	case "string":
		return base64.StdEncoding.DecodeString(s)
	case "md5", "sha256":
		want := map[string]int{"md5": 16, "sha256": 32}[d.Type]
		b, err := hex.DecodeString(s)
		if err == nil && len(b) != want {
			err = fmt.Errorf("%q is not %d bytes", s, want)
		}
		return b, err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address", s)
	}
	return a.Unmap().AsSlice(), nil
}

var datasetTypes = map[string]bool{"string": true, "md5": true, "sha256": true, "ipv4": true, "ip": true}

// value is what of a buffer is looked up: hashes of the types that hold hashes.
func (d *Dataset) value(in *Inspection) []byte { return in.buf }

type datasetItem struct {
	set *Dataset
	op  string // isset, isnotset, set, unset
}

func (d *datasetItem) match(in *Inspection) bool {
	v := d.set.value(in)
	switch d.op {
	case "isset":
		_, ok := d.set.get(v)
		return ok
	case "isnotset":
		_, ok := d.set.get(v)
		return !ok
	case "set":
		_, ok := d.set.get(v)
		return !ok && d.set.Add(v, 0)
	default:
		_, ok := d.set.get(v)
		d.set.Remove(v)
		return ok
	}
}

// datasetArgs are the options that dataset and datarep have in common.
type datasetArgs struct {
	kind, file, save string
	state            bool // file may be missing
	limit            int
}

func (a *datasetArgs) option(word string) error {
	name, arg, _ := strings.Cut(word, " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case "type":
		if a.kind = arg; !datasetTypes[arg] {
			return fmt.Errorf("type %q is not string, md5, sha256, ipv4 or ip", arg)
		}
	case "load":
		a.file = arg
	case "state":
		a.file, a.save, a.state = arg, arg, true
	case "save":
		a.save = arg
	case "memcap":
		_, err := parseUint(arg, 1<<62, nil)
		return err
	case "hashsize":
		n, err := parseUint(arg, 1<<30, nil)
		a.limit = int(n)
		return err
	default:
		return fmt.Errorf("%q is not type, load, save, state, memcap or hashsize", name)
	}
	return nil
}

var dataset = Keyword{
	Name: "dataset", Family: FamilyContent, Arg: "set|unset|isset|isnotset, NAME, type string|md5|sha256|ip|ipv4[, load FILE, state FILE, hashsize N]", Doc: "the buffer is in a set of values",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 2 {
			return fmt.Errorf("%q is not COMMAND, NAME", o.Value)
		}
		switch w[0] {
		case "set", "unset", "isset", "isnotset":
		default:
			return fmt.Errorf("%q is not set, unset, isset or isnotset", w[0])
		}
		if c.sticky == nil {
			return errNoBuffer
		}
		var a datasetArgs
		for _, word := range w[2:] {
			if err := a.option(word); err != nil {
				return err
			}
		}
		if c.env.Files == nil {
			return errNoFiles
		}
		d, err := c.env.Files.dataset(w[1], a.kind, a.file, a.state, a.limit)
		if err != nil {
			return err
		}
		c.appendTo(c.here(), &datasetItem{d, w[0]})
		return nil
	},
}

type datarepItem struct {
	set *Dataset
	cmp compare
}

func (d *datarepItem) match(in *Inspection) bool {
	r, ok := d.set.get(in.buf)
	return ok && d.cmp.holds(uint64(r))
}

var datarep = Keyword{
	Name: "datarep", Family: FamilyContent, Arg: "NAME, <|>|=, N, type string|md5|sha256|ip|ipv4[, load FILE]", Doc: "reputation of the buffer's value in a set",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 3 {
			return fmt.Errorf("%q is not NAME, OP, VALUE", o.Value)
		}
		if c.sticky == nil {
			return errNoBuffer
		}
		t, err := reputation(w[1], w[2], 65535)
		if err != nil {
			return err
		}
		var a datasetArgs
		for _, word := range w[3:] {
			if err := a.option(word); err != nil {
				return err
			}
		}
		if c.env.Files == nil {
			return errNoFiles
		}
		d, err := c.env.Files.dataset(w[0], a.kind, a.file, a.state, a.limit)
		if err != nil {
			return err
		}
		c.appendTo(c.here(), &datarepItem{d, t})
		return nil
	},
}

func reputation(op, value string, top uint64) (compare, error) {
	switch op {
	case "<", ">", "=", "==", "<=", ">=":
		return parseCompare(strings.TrimPrefix(op, "=")+value, top, nil)
	}
	return compare{}, fmt.Errorf("%q is not < > or =", op)
}

// Reputation is what is known about addresses: a score from 0 to 127 in categories. It is read-only once loaded.
type Reputation struct {
	categories map[string]uint8
	scores     map[U128]map[uint8]uint8
	prefixes   []reputedPrefix
}

type reputedPrefix struct {
	Range
	category, score uint8
}

// ParseReputation reads a categories file ("1,BadHosts,description") and lists ("192.0.2.1,1,100").
func ParseReputation(categories []byte, lists ...[]byte) (*Reputation, error) {
	r := &Reputation{categories: map[string]uint8{}, scores: map[U128]map[uint8]uint8{}}
	for line := range bytes.Lines(categories) {
		f := strings.Split(strings.TrimSpace(string(line)), ",")
		if len(f) < 2 || strings.HasPrefix(f[0], "#") {
			continue
		}
		n, err := parseInt(f[0], 0, 59)
		if err != nil {
			return nil, fmt.Errorf("category %w", err)
		}
		r.categories[strings.TrimSpace(f[1])] = uint8(n)
	}
	for _, l := range lists {
		for line := range bytes.Lines(l) {
			if err := r.add(strings.TrimSpace(string(line))); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func (r *Reputation) add(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	f := strings.Split(line, ",")
	if len(f) < 3 {
		return fmt.Errorf("%q is not address,category,score", line)
	}
	where, err := parseAddress(strings.TrimSpace(f[0]))
	if err != nil {
		return err
	}
	category, err := parseInt(f[1], 0, 59)
	if err != nil {
		return fmt.Errorf("category %w", err)
	}
	score, err := parseInt(f[2], 0, 127)
	if err != nil {
		return fmt.Errorf("score %w", err)
	}
	if where.From != where.To {
		r.prefixes = append(r.prefixes, reputedPrefix{where, uint8(category), uint8(score)})
		return nil
	}
	if r.scores[where.From] == nil {
		r.scores[where.From] = map[uint8]uint8{}
	}
	r.scores[where.From][uint8(category)] = uint8(score)
	return nil
}

// score returns an address's score in a category; the more specific entry counts.
func (r *Reputation) score(a U128, category uint8) (uint8, bool) {
	if s, ok := r.scores[a][category]; ok {
		return s, true
	}
	for _, p := range r.prefixes {
		if p.category == category && !a.Less(p.From) && !p.To.Less(a) {
			return p.score, true
		}
	}
	return 0, false
}

var iprep = Keyword{
	Name: "iprep", Family: FamilyPacket, Arg: "any|src|dst|both, CATEGORY, <|>|=|isset|isnotset[, N]", Doc: "reputation of the packet's addresses",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 3 {
			return fmt.Errorf("%q is not any|src|dst|both, CATEGORY, OP, N", o.Value)
		}
		if c.env.Files == nil || c.env.Files.Reputation == nil {
			return errors.New("no reputation is loaded: reputation-categories-file and reputation-files are needed")
		}
		rep := c.env.Files.Reputation
		category, ok := rep.categories[w[1]]
		if !ok {
			return fmt.Errorf("category %q is not in the categories file", w[1])
		}
		holds, err := iprepTest(rep, category, w[2:])
		if err != nil {
			return err
		}
		c.ipTests++
		switch w[0] {
		case "src":
			c.test(func(x *Context) bool { return holds(x.src) })
		case "dst":
			c.test(func(x *Context) bool { return holds(x.dst) })
		case "any":
			c.test(func(x *Context) bool { return holds(x.src) || holds(x.dst) })
		case "both":
			c.test(func(x *Context) bool { return holds(x.src) && holds(x.dst) })
		default:
			return fmt.Errorf("%q is not any, src, dst or both", w[0])
		}
		return nil
	},
}

func iprepTest(rep *Reputation, category uint8, w []string) (func(U128) bool, error) {
	switch w[0] {
	case "isset":
		return func(a U128) bool { _, ok := rep.score(a, category); return ok }, nil
	case "isnotset":
		return func(a U128) bool { _, ok := rep.score(a, category); return !ok }, nil
	}
	if len(w) < 2 {
		return nil, fmt.Errorf("%s needs a score", w[0])
	}
	t, err := reputation(w[0], w[1], 127)
	return func(a U128) bool {
		s, ok := rep.score(a, category)
		return ok && t.holds(uint64(s))
	}, err
}

// Inherit takes over the datasets of the ruleset before, with what rules have put into them.
func (f *Files) Inherit(previous *Files) {
	previous.mu.Lock()
	defer previous.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.datasets == nil {
		f.datasets = map[string]*Dataset{}
	}
	for name, d := range previous.datasets {
		f.datasets[name] = d
	}
}

// Define makes a dataset that the configuration names.
func (f *Files) Define(name string, d DatasetConfig) error {
	file := d.Load
	if file == "" {
		file = d.State
	}
	if !datasetTypes[d.Type] {
		return fmt.Errorf("dataset %s: type %q is not string, md5, sha256, ipv4 or ip", name, d.Type)
	}
	_, err := f.dataset(name, d.Type, file, d.State != "", 0)
	return err
}
