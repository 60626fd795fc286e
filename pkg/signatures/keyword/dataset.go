package keyword

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
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
	contexts   map[string][]byte // JSON that goes into the alert, by value; nil for sets without
	limit      int
	save       string // file that the values are to be written to, "" for none
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
	State string // file to load from, and for Files.Save to write to
}

// dataset finds a set or makes it, reading file when one is named.
func (f *Files) dataset(name string, a datasetArgs) (*Dataset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.datasets[name]; d != nil {
		if a.kind != "" && d.Type != a.kind {
			return nil, fmt.Errorf("dataset %s has the type %s, not %s", name, d.Type, a.kind)
		}
		return d, nil
	}
	if a.kind == "" {
		return nil, fmt.Errorf("dataset %s is not defined: type is needed", name)
	}
	if a.limit == 0 {
		a.limit = maxDataset
	}
	d := &Dataset{Name: name, Type: a.kind, values: map[string]uint16{}, limit: a.limit, save: a.save}
	if a.file != "" {
		data, err := f.Read(a.file)
		if errors.Is(err, fs.ErrNotExist) && a.state {
			err = nil // it is written when the set is saved
		}
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", name, err)
		}
		load := d.load
		if a.format != "" {
			load = func(data []byte) error { return d.loadJSON(data, &a) }
		}
		if err := load(data); err != nil {
			return nil, fmt.Errorf("dataset %s: %s: %w", name, a.file, err)
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

type datasetItem struct {
	set       *Dataset
	op        string // isset, isnotset, set, unset
	subdomain bool   // a value matches all names below it too
	context   string // key of the value's JSON in the alert, "" for none
}

// find looks a value up, with subdomain also the domains that it is in, and returns what the set has.
func (d *datasetItem) find(v []byte) ([]byte, bool) {
	for {
		if _, ok := d.set.get(v); ok {
			return v, true
		}
		i := bytes.IndexByte(v, '.')
		if !d.subdomain || i < 0 {
			return nil, false
		}
		v = v[i+1:]
	}
}

func (d *datasetItem) match(in *Inspection) bool {
	v := in.buf
	switch d.op {
	case "isset":
		v, ok := d.find(v)
		if ok && d.context != "" {
			in.ctx.captureJSON(d.context, d.set.context(v))
		}
		return ok
	case "isnotset":
		_, ok := d.find(v)
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
	subdomain        bool
	// format is json or ndjson, "" for lines of values. array is where the list is in the file, value the place of the value in
	// an entry, context the key under which entries go into alerts.
	format, array, value, context string
}

// member sets an option that says where things are in a file of JSON.
func (a *datasetArgs) member(name, arg string) bool {
	into := map[string]*string{"format": &a.format, "array_key": &a.array, "value_key": &a.value, "context_key": &a.context}[name]
	if into != nil {
		*into = arg
	}
	return into != nil
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
	case "match":
		if a.subdomain = arg == "subdomain"; !a.subdomain && arg != "exact" {
			return fmt.Errorf("match %q is not exact or subdomain", arg)
		}
	default:
		if !a.member(name, arg) {
			return fmt.Errorf("%q is not type, load, save, state, match, format, value_key, array_key, context_key, memcap or hashsize", name)
		}
	}
	return nil
}

// complete reports what is missing in the options of a set in JSON.
func (a *datasetArgs) complete() error {
	switch a.format {
	case "", "csv":
		a.format = ""
		return nil
	case "json", "ndjson", "jsonline":
	default:
		return fmt.Errorf("format %q is not csv, json or ndjson", a.format)
	}
	if a.value == "" || a.context == "" {
		return fmt.Errorf("format %s needs value_key and context_key", a.format)
	}
	if a.save != "" {
		return fmt.Errorf("a set in %s cannot be saved", a.format)
	}
	return nil
}

var dataset = Keyword{
	Name: "dataset", Family: FamilyContent, Arg: "set|unset|isset|isnotset, NAME, type string|md5|sha256|ip|ipv4[, load FILE, state FILE, match subdomain, format json|ndjson, value_key KEY, array_key KEY, context_key KEY, hashsize N]", Doc: "the buffer is in a set of values",
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
		if err := a.complete(); err != nil {
			return err
		}
		if c.env.Files == nil {
			return errNoFiles
		}
		if err := c.env.Files.mayWrite(a.save); err != nil {
			return err
		}
		d, err := c.env.Files.dataset(w[1], a)
		if err != nil {
			return err
		}
		c.appendTo(c.here(), &datasetItem{set: d, op: w[0], subdomain: a.subdomain, context: a.context})
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
		d, err := c.env.Files.dataset(w[0], a)
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
	a := datasetArgs{kind: d.Type, file: d.Load, save: d.State, state: d.State != ""}
	if a.file == "" {
		a.file = d.State
	}
	if !datasetTypes[d.Type] {
		return fmt.Errorf("dataset %s: type %q is not string, md5, sha256, ipv4 or ip", name, d.Type)
	}
	_, err := f.dataset(name, a)
	return err
}

// Save writes the datasets that ask for it (save, state), each with its file's name: one value a line, as they are loaded.
func (f *Files) Save(write func(name string, data []byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for name, d := range f.datasets {
		if d.save == "" {
			continue
		}
		if err := write(d.save, d.dump()); err != nil {
			errs = append(errs, fmt.Errorf("dataset %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// dump returns the values in the order of their text.
func (d *Dataset) dump() []byte {
	d.mu.RLock()
	defer d.mu.RUnlock()
	lines := make([]string, 0, len(d.values))
	for v, rep := range d.values {
		line := d.text(v)
		if rep != 0 {
			line += "," + strconv.Itoa(int(rep))
		}
		lines = append(lines, line+"\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// text is the reverse of parse.
func (d *Dataset) text(v string) string {
	switch d.Type {
	case "string":
		return base64.StdEncoding.EncodeToString([]byte(v))
	case "md5", "sha256":
		return hex.EncodeToString([]byte(v))
	}
	a, _ := netip.AddrFromSlice([]byte(v))
	return a.String()
}
