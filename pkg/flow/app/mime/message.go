// Package mime reads a mail as it passes (RFC 5322, RFC 2045): its header fields, its attachments as files, the links in
// its text.
package mime

// Message is what is known of a mail so far.
type Message struct {
	Fields      []Field // header of the mail itself, in order
	Attachments [][]byte
	URLs        [][]byte // links found in text parts, the latest first
	BodyMD5     []byte   // of the body's bytes as sent, without header; nil when not asked for
	Status      Status
}

// Field is one header field, unfolded and its encoded words (RFC 2047) kept.
type Field struct{ Name, Value []byte }

// Status is how far the mail has come, as in EVE's email.status.
type Status uint8

// States of a mail.
const (
	Header Status = iota // "PARSE_NONE"
	Body                 // "BODY_STARTED"
	Done                 // "PARSE_DONE"
	Failed               // "PARSE_ERROR"
)

// String returns the name that EVE gives the status.
func (s Status) String() string {
	return [...]string{"PARSE_NONE", "BODY_STARTED", "PARSE_DONE", "PARSE_ERROR"}[min(s, Failed)]
}

// Get returns the value of the first field of a name, compared without case; nil when there is none.
func (m *Message) Get(name string) []byte {
	for i := range m.Fields {
		if equalFold(m.Fields[i].Name, name) {
			return m.Fields[i].Value
		}
	}
	return nil
}

// All returns the values of all fields of a name.
func (m *Message) All(name string) [][]byte {
	var list [][]byte
	for i := range m.Fields {
		if equalFold(m.Fields[i].Name, name) {
			list = append(list, m.Fields[i].Value)
		}
	}
	return list
}

// Addresses returns the comma-separated members of an address field, trimmed.
func (m *Message) Addresses(name string) [][]byte {
	return splitList(m.Get(name))
}

// splitList parts a list at commas outside of quotes.
func splitList(v []byte) [][]byte {
	var list [][]byte
	quoted, start := false, 0
	for i := 0; i <= len(v); i++ {
		if i < len(v) && v[i] == '"' {
			quoted = !quoted
		}
		if i == len(v) || v[i] == ',' && !quoted {
			if item := trim(v[start:i]); len(item) > 0 {
				list = append(list, item)
			}
			start = i + 1
		}
	}
	return list
}

func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}
