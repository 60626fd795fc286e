package suricatayaml

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/flow"
)

// reader gives settings their types. The first value that makes no sense is kept as its error.
type reader struct {
	root     *node
	warnings []*Problem
	err      error
}

// at finds the node at path and notes that it is known.
func (r *reader) at(path string) *node {
	n := r.root
	for key := range strings.SplitSeq(path, ".") {
		if n = n.child(key); n == nil {
			return nil
		}
		n.used = true
	}
	return n
}

// scalar finds a setting with a value; null counts as absent.
func (r *reader) scalar(path string) (*node, bool) {
	n := r.at(path)
	if n == nil || n.kind == null {
		return n, false
	}
	if n.kind != scalar {
		r.fail(n, path, "want one value, not a %s", map[kind]string{list: "list", dict: "group of settings"}[n.kind])
		return n, false
	}
	return n, true
}

func (r *reader) fail(n *node, path, format string, args ...any) {
	if r.err == nil {
		r.err = n.problem(path, format, args...)
	}
}

func (r *reader) warn(n *node, path, format string, args ...any) {
	r.warnings = append(r.warnings, n.problem(path, format, args...))
}

// truth reads Suricata's booleans.
func truth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "1", "yes", "true", "on":
		return true, true
	case "0", "no", "false", "off", "":
		return false, true
	}
	return false, false
}

func (r *reader) flag(path string, into *bool) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	v, ok := truth(n.value)
	if !ok {
		r.fail(n, path, "%q is neither yes nor no", n.value)
	}
	*into = v
}

// auto reads yes, no or auto; auto leaves what is there.
func (r *reader) auto(path string, into *bool) {
	if n := r.at(path); n != nil && n.value == "auto" {
		return
	}
	r.flag(path, into)
}

func (r *reader) text(path string, into *string) {
	if n, ok := r.scalar(path); ok {
		*into = n.value
	}
}

// optionalFile reads the name of a file that can be done without: one that cannot be read is a warning.
func (r *reader) optionalFile(path string, into *string) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	if _, err := os.Stat(n.value); err != nil {
		r.warn(n, path, "%q cannot be read, so the built-in table holds: %v", n.value, err)
		return
	}
	*into = n.value
}

func (r *reader) count(path string, into *int) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	v, err := strconv.Atoi(n.value)
	if err != nil || v < 0 {
		r.fail(n, path, "%q is not a number", n.value)
		return
	}
	*into = v
}

func (r *reader) seconds(path string, into *time.Duration) {
	var n int
	if r.at(path) == nil {
		return
	}
	r.count(path, &n)
	*into = time.Duration(n) * time.Second
}

// size reads a number of bytes with an optional unit: 4096, 100kb, 1 MiB, 2gb.
func (r *reader) size(path string, into *uint64) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	v, err := parseSize(n.value)
	if err != nil {
		r.fail(n, path, "%v", err)
		return
	}
	*into = v
}

func (r *reader) intSize(path string, into *int) {
	v := uint64(*into)
	r.size(path, &v)
	*into = int(min(v, 1<<31-1))
}

func (r *reader) size32(path string, into *uint32) {
	v := uint64(*into)
	r.size(path, &v)
	*into = uint32(min(v, 1<<32-1))
}

func parseSize(s string) (uint64, error) {
	digits := strings.TrimRight(strings.TrimSpace(s), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToLower(strings.TrimSpace(strings.TrimSpace(s)[len(digits):]))
	scale, ok := map[string]float64{"": 1, "b": 1, "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30, "gib": 1 << 30}[unit]
	v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || !ok || v < 0 || v*scale > 1<<62 {
		return 0, fmt.Errorf("%q is not a size such as 4096, 100kb or 1mb", s)
	}
	return uint64(v * scale), nil
}

// choice reads one of the names of a table.
func choice[T any](r *reader, path string, into *T, names map[string]T) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	v, ok := names[strings.ToLower(n.value)]
	if !ok {
		all := make([]string, 0, len(names))
		for name := range names {
			all = append(all, name)
		}
		r.fail(n, path, "%q is not one of %s", n.value, oneOf(all))
		return
	}
	*into = v
}

func (r *reader) policy(path string, into *flow.Policy) {
	n, ok := r.scalar(path)
	if !ok {
		return
	}
	v, err := flow.ParsePolicy(n.value)
	if err != nil {
		r.fail(n, path, "%v", err)
		return
	}
	*into = v
}

// strings reads a list of values, or one value.
func (r *reader) strings(path string) []string {
	n := r.at(path)
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind == scalar {
		return strings.FieldsFunc(strings.Trim(n.value, "[]"), func(c rune) bool { return c == ',' || c == ' ' })
	}
	var out []string
	for _, c := range n.children {
		c.used = true
		if c.kind == scalar {
			out = append(out, c.value)
		}
	}
	return out
}

// items yields the elements of a list such as outputs: each is a name, or a group with one member of that name.
func (r *reader) items(path string, visit func(name string, at string, n *node)) {
	n := r.at(path)
	if n == nil {
		return
	}
	for i, e := range n.children {
		e.used = true
		here := path + "." + strconv.Itoa(i)
		if e.kind == scalar {
			visit(e.value, here, e)
			continue
		}
		for _, c := range e.children {
			c.used = true
			visit(c.key, here+"."+c.key, c)
		}
	}
}
