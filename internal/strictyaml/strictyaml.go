// Package strictyaml reads configuration files so that nothing typed by a person is ignored: an unknown or repeated key, a
// wrong type and a bad value are all errors that name the file, line, column, key, and what would be right.
package strictyaml

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Error is a fault at one place of a file.
type Error struct {
	File      string
	Line, Col int // 1-based; 0 when the file is empty or a key is missing
	Key       string
	Reason    string
}

// Error prints file:line:col: key: reason.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	return b.String() + ": " + e.Reason
}

// Document is a parsed file that can still tell where each key stands.
type Document struct {
	file string
	root *ast.File
}

// Load reads the file at path into the struct that into points to. Fields that the file does not name keep their values,
// so the caller fills in defaults first.
func Load(path string, into any) (*Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, into)
}

// Parse is Load for bytes; file is only a name for errors.
func Parse(file string, data []byte, into any) (*Document, error) {
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, located(file, err)
	}
	doc := &Document{file: file, root: root}
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict(), yaml.DisallowUnknownField()); err != nil {
		return nil, located(file, err)
	}
	return doc, nil
}

// Errorf makes an error at key, a path such as "floods.syn-per-second" or "interfaces[0]". A key that the file does not
// have gives the position of the nearest parent that it has.
func (d *Document) Errorf(key, format string, args ...any) error {
	e := &Error{File: d.file, Key: key, Reason: fmt.Sprintf(format, args...)}
	for at := key; at != ""; at = parent(at) {
		if pos := d.position(at); pos != nil {
			e.Line, e.Col = pos.Line, pos.Column
			break
		}
	}
	return e
}

func (d *Document) position(key string) *token.Position {
	p, err := yaml.PathString("$." + key)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(d.root)
	if err != nil || node == nil {
		return nil
	}
	// A mapping's own token is the colon of its first entry; a reader looks for the key.
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken().Position
	}
	return node.GetToken().Position
}

func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// located turns the library's error into ours; its message already says what is wrong.
func located(file string, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return &Error{File: file, Reason: err.Error()}
	}
	e := &Error{File: file, Reason: y.GetMessage()}
	if t := y.GetToken(); t != nil && t.Position != nil {
		e.Line, e.Col = t.Position.Line, t.Position.Column
	}
	return e
}
