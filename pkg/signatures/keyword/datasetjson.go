package keyword

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// loadJSON reads a set whose values come with what is known about them: a list of objects, or an object a line. The first of
// two entries with one value counts; entries without the value are left out.
func (d *Dataset) loadJSON(data []byte, a *datasetArgs) error {
	entries, err := jsonEntries(data, a)
	if err != nil {
		return err
	}
	d.contexts = make(map[string][]byte, len(entries))
	for i, e := range entries {
		text, ok := member(e, a.value)
		if !ok {
			continue
		}
		var value string
		if err := json.Unmarshal(text, &value); err != nil {
			return fmt.Errorf("entry %d: %s is not a string", i+1, a.value)
		}
		v := []byte(value)
		if d.Type != "string" {
			if v, err = d.parse(value); err != nil {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
		}
		if d.contexts[string(v)] != nil {
			continue
		}
		if !d.Add(v, 0) {
			return fmt.Errorf("entry %d: more than %d values", i+1, d.limit)
		}
		var b bytes.Buffer
		if err := json.Compact(&b, e); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		d.contexts[string(v)] = b.Bytes()
	}
	return nil
}

var errNotList = errors.New("is not a list of objects")

// jsonEntries parts a file into its entries.
func jsonEntries(data []byte, a *datasetArgs) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if a.format != "json" {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				list = append(list, line)
			}
		}
		return list, nil
	}
	if a.array != "" {
		inner, ok := member(data, a.array)
		if !ok {
			return nil, fmt.Errorf("%s is not in the file", a.array)
		}
		data = inner
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotList, err)
	}
	return list, nil
}

// member returns what is at a path like "info.threat" in a JSON object.
func member(data json.RawMessage, path string) (json.RawMessage, bool) {
	for key := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil || object[key] == nil {
			return nil, false
		}
		data = object[key]
	}
	return data, true
}

// context returns what is known about a value, as JSON; nil when nothing is.
func (d *Dataset) context(v []byte) []byte { return d.contexts[string(v)] }

// captureJSON leaves JSON for the alert's context. It belongs to the set and outlives the packet.
func (c *Context) captureJSON(key string, value []byte) {
	if value != nil && len(c.Captured) < maxCaptures {
		c.Captured = append(c.Captured, Capture{Name: key, Scope: CaptureContext, Value: value})
	}
}

// mayWrite reports whether a rule may have a set written to a file of this name, in the words that Suricata's users look for.
func (f *Files) mayWrite(name string) error {
	switch {
	case name == "":
		return nil
	case f.NoWrite:
		return errors.New("Rules containing save/state datasets have been disabled")
	case f.AnyPath:
		return nil
	case filepath.IsAbs(name):
		return fmt.Errorf("Absolute paths not allowed: %s", name)
	case slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }), ".."):
		return fmt.Errorf("Directory traversals not allowed: %s", name)
	}
	return nil
}
