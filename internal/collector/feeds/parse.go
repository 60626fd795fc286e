// Package feeds takes lists of hostile addresses from elsewhere: it fetches and reads them, throws out what must not be blocked,
// and holds back a list that has changed suspiciously much.
package feeds

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
)

// Format is how a list is written.
type Format string

// Formats. Text is an address or prefix at the start of each line, with comments after # or ; (plain lists, GuardDuty's TXT,
// Spamhaus DROP). CSV takes the first field of a row that is one (GuardDuty's OTX, Proofpoint, FireEye and AlienVault forms).
// JSON is an object a line with a "cidr" or "ip" (Spamhaus DROP), or one array of them or of texts. STIX is a 2.1 bundle whose
// indicators have patterns on ipv4-addr or ipv6-addr values.
const (
	Auto Format = ""
	Text Format = "text"
	CSV  Format = "csv"
	JSON Format = "json"
	STIX Format = "stix"
)

// Known reports whether f is a format.
func (f Format) Known() bool {
	return f == Auto || f == Text || f == CSV || f == JSON || f == STIX
}

// List is what was read.
type List struct {
	Prefixes []netip.Prefix // as written, unsorted, masked
	Ignored  int            // lines, rows or objects that say no address
}

// Parse reads data. A list without a single address is an error: an error page must not pass for an empty list.
func Parse(f Format, data []byte) (List, error) {
	if f == Auto {
		f = detect(data)
	}
	var l List
	var err error
	switch f {
	case CSV:
		err = l.csv(data)
	case JSON:
		err = l.json(data)
	case STIX:
		err = l.stix(data)
	default:
		err = l.text(data)
	}
	if err == nil && len(l.Prefixes) == 0 {
		err = fmt.Errorf("no address in %d lines", l.Ignored)
	}
	if err != nil {
		return List{}, fmt.Errorf("read as %s: %w", f, err)
	}
	return l, nil
}

func detect(data []byte) Format {
	start := bytes.TrimSpace(data[:min(len(data), 4096)])
	switch {
	case bytes.HasPrefix(start, []byte("{")) && bytes.Contains(start, []byte(`"bundle"`)):
		return STIX
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		return JSON
	case bytes.Contains(start, []byte(",")) && !bytes.HasPrefix(start, []byte("#")) && !bytes.HasPrefix(start, []byte(";")):
		return CSV
	}
	return Text
}

// add takes a text that may be an address or a prefix.
func (l *List) add(s string) bool {
	s = strings.TrimSpace(s)
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return false
		}
		a = a.Unmap()
		p = netip.PrefixFrom(a, a.BitLen())
	}
	l.Prefixes = append(l.Prefixes, p.Masked())
	return true
}

// addOrCount is add for something that should have been one.
func (l *List) addOrCount(s string) {
	if !l.add(s) {
		l.Ignored++
	}
}

const maxLine = 1 << 20

func (l *List) text(data []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line, _, _ = strings.Cut(line, ";")
		if f := strings.Fields(line); len(f) > 0 {
			l.addOrCount(f[0])
		}
	}
	return lines.Err()
}

func (l *List) csv(data []byte) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes, r.Comment, r.TrimLeadingSpace, r.ReuseRecord = -1, true, '#', true, true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		found := false
		for _, field := range row {
			if found = l.add(field); found {
				break
			}
		}
		if !found {
			l.Ignored++
		}
	}
}

// json takes values one after the other: one a line, or one array.
func (l *List) json(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		all, ok := v.([]any)
		if !ok {
			all = []any{v}
		}
		for _, v := range all {
			l.value(v)
		}
	}
}

func (l *List) value(v any) {
	switch v := v.(type) {
	case string:
		l.addOrCount(v)
	case map[string]any:
		for _, key := range []string{"cidr", "ip", "ipAddress"} {
			if s, ok := v[key].(string); ok {
				l.addOrCount(s)
				return
			}
		}
		l.Ignored++ // Spamhaus ends with an object about the list
	default:
		l.Ignored++
	}
}

func (l *List) stix(data []byte) error {
	comparison := regexp.MustCompile(`ipv[46]-addr:value\s*=\s*'([^']*)'`)
	var bundle struct {
		Objects []struct {
			Type, Pattern string
			Revoked       bool
		}
	}
	if err := json.Unmarshal(data, &bundle); err != nil {
		return err
	}
	for _, o := range bundle.Objects {
		found := comparison.FindAllStringSubmatch(o.Pattern, -1)
		if o.Type != "indicator" || o.Revoked || len(found) == 0 {
			l.Ignored++
			continue
		}
		for _, m := range found {
			l.addOrCount(m[1])
		}
	}
	return nil
}
