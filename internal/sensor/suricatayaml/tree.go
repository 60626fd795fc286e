// Package suricatayaml takes over settings from a Suricata configuration: what it knows becomes Settings, what it does not
// becomes a warning with its place, and a value that makes no sense is an error with its place.
//
//	suricata.yaml ──parse──▶ tree ◀──Set── "stream.midstream=true"
//	                          └──apply──▶ Settings + warnings
//
// Key paths are Suricata's: "app-layer.protocols.http.enabled", with a number for an element of a list:
// "outputs.1.eve-log.enabled".
package suricatayaml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/weir-ips/weir/internal/strictyaml"
)

// Bounds of a configuration file.
const (
	maxFile     = 16 << 20 // bytes
	maxDepth    = 64       // levels of nesting
	maxIncludes = 32
)

// Problem is something about a configuration that its author should know, with its place. File is "--set" for settings
// of the command line; Key is the setting's path.
type Problem = strictyaml.Error

// kind is what a node holds.
type kind uint8

const (
	null kind = iota
	scalar
	list
	dict
)

// node is one setting or group of settings.
type node struct {
	kind     kind
	key      string
	value    string // of a scalar
	children []*node
	file     string
	line     int
	col      int
	used     bool // something has asked for it
}

// child finds a member by its key, or an element by its number.
func (n *node) child(key string) *node {
	if n == nil {
		return nil
	}
	if n.kind == list {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.children) {
			return n.children[i]
		}
		return nil
	}
	for _, c := range n.children {
		if c.key == key {
			return c
		}
	}
	return nil
}

// problem makes a problem at the node.
func (n *node) problem(path, format string, args ...any) *Problem {
	return &Problem{File: n.file, Line: n.line, Col: n.col, Key: path, Reason: fmt.Sprintf(format, args...)}
}

// loader reads a file and what it includes.
type loader struct {
	dir      string // of the first file: includes are relative to it
	includes int
	warnings []*Problem
}

// load reads the file at path into a tree.
func (l *loader) load(path string) (*node, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > maxFile {
		return nil, &Problem{File: path, Reason: fmt.Sprintf("%d bytes, at most %d", info.Size(), maxFile)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return l.parse(path, data)
}

func (l *loader) parse(file string, data []byte) (root *node, err error) {
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxProblem(file, err)
	}
	root = &node{kind: dict, file: file, line: 1, col: 1}
	for _, doc := range tree.Docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode, *ast.NullNode:
			continue
		}
		n, err := l.convert(file, "", doc.Body, 0)
		if err != nil {
			return nil, err
		}
		if n.kind != dict {
			return nil, n.problem("", "want a mapping of settings at the top")
		}
		for _, c := range n.children {
			if err := l.adopt(root, c); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

// syntaxProblem turns the library's error into ours.
func syntaxProblem(file string, err error) error {
	p := &Problem{File: file, Reason: err.Error()}
	var y yaml.Error
	if errors.As(err, &y) {
		p.Reason = y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Col = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// adopt makes c a member of parent: a later setting replaces an earlier one, and an include is read in its place.
func (l *loader) adopt(parent, c *node) error {
	if c.key == "include" {
		return l.include(parent, c)
	}
	if !freeNames(parent.key) {
		c.key = strings.ReplaceAll(c.key, "_", "-")
	}
	for i, old := range parent.children {
		if old.key == c.key {
			parent.children[i] = c
			return nil
		}
	}
	parent.children = append(parent.children, c)
	return nil
}

// freeNames says that the members' names are the user's own; elsewhere Suricata reads an underscore as a hyphen.
func freeNames(key string) bool {
	return key == "address-groups" || key == "port-groups" || key == "vars"
}

// include reads the files named by an include setting as if they stood there. One that cannot be read is a warning:
// its settings keep their defaults.
func (l *loader) include(parent, c *node) error {
	files := []*node{c}
	if c.kind == list {
		files = c.children
	}
	for _, f := range files {
		if l.includes++; l.includes > maxIncludes {
			return c.problem("include", "more than %d files", maxIncludes)
		}
		path := f.value
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.dir, path)
		}
		root, err := l.load(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			l.warnings = append(l.warnings, f.problem("include", "%q cannot be read, so its settings keep their defaults: %v", f.value, err))
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range root.children {
			if err := l.adopt(parent, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// convert turns the library's node into ours, under key.
func (l *loader) convert(file, key string, from ast.Node, depth int) (*node, error) {
	n := &node{file: file, key: key}
	if t := from.GetToken(); t != nil && t.Position != nil {
		n.line, n.col = t.Position.Line, t.Position.Column
	}
	if depth > maxDepth {
		return nil, n.problem("", "settings nest more than %d levels deep", maxDepth)
	}
	switch v := from.(type) {
	case *ast.MappingNode:
		n.kind = dict
		for _, m := range v.Values {
			if err := l.member(n, m, depth); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode:
		n.kind = dict
		return n, l.member(n, v, depth)
	case *ast.SequenceNode:
		n.kind = list
		for i, e := range v.Values {
			c, err := l.convert(file, strconv.Itoa(i), e, depth+1)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, c)
		}
	case *ast.TagNode:
		return l.tagged(n, v, depth)
	case *ast.AliasNode, *ast.AnchorNode:
		return nil, n.problem("", "anchors and aliases are not supported; write the value out")
	case *ast.NullNode:
	case *ast.LiteralNode:
		n.kind, n.value = scalar, v.Value.Value
	default:
		n.kind, n.value = scalar, from.GetToken().Value
	}
	return n, nil
}

// tagged reads a value with a tag; !include reads a file in its place.
func (l *loader) tagged(n *node, v *ast.TagNode, depth int) (*node, error) {
	c, err := l.convert(n.file, n.key, v.Value, depth+1)
	if err != nil || v.GetToken().Value != "!include" {
		return c, err
	}
	d := &node{kind: dict, key: n.key, file: n.file, line: n.line, col: n.col}
	return d, l.include(d, c)
}

func (l *loader) member(parent *node, m *ast.MappingValueNode, depth int) error {
	t := m.Key.GetToken()
	c, err := l.convert(parent.file, t.Value, m.Value, depth+1)
	if err != nil {
		return err
	}
	c.line, c.col = t.Position.Line, t.Position.Column
	return l.adopt(parent, c)
}

// set changes one setting as Suricata's --set does.
func (n *node) set(assignment string) error {
	path, value, ok := strings.Cut(assignment, "=")
	path = strings.TrimSpace(path)
	if !ok || path == "" {
		return &Problem{File: "--set", Reason: fmt.Sprintf("%q: want key=value, such as stream.midstream=true", assignment)}
	}
	at := n
	for _, key := range strings.Split(path, ".") {
		c := at.child(key)
		if c == nil {
			var err error
			if c, err = at.grow(key, path); err != nil {
				return err
			}
		}
		at = c
	}
	*at = node{kind: scalar, key: at.key, value: strings.TrimSpace(value), file: "--set"}
	return nil
}

// grow adds the member or element called key.
func (n *node) grow(key, path string) (*node, error) {
	i, err := strconv.Atoi(key)
	switch {
	case n.kind == list && (err != nil || i != len(n.children)):
		return nil, &Problem{File: "--set", Key: path, Reason: fmt.Sprintf("the list has %d elements, so %q is not one of them nor the next", len(n.children), key)}
	case n.kind == list:
	case err == nil && i == 0 && len(n.children) == 0:
		n.kind = list
	default:
		n.kind, n.value = dict, ""
	}
	c := &node{kind: null, key: key, file: "--set"}
	n.children = append(n.children, c)
	return c, nil
}
