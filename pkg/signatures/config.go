package signatures

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

//go:embed classification.config
var builtinClassification string

//go:embed reference.config
var builtinReference string

var (
	errClassLine     = errors.New("is not config classification: name,description,priority")
	errReferenceLine = errors.New("is not config reference: type url")
)

// configLines calls each with the text behind "config WORD:" of every line.
func configLines(src Source, word string, wrong error, each func(arg string) error) (problems []Problem) {
	n := 0
	for line := range strings.SplitSeq(src.Text, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		arg, ok := strings.CutPrefix(line, "config ")
		if ok {
			arg, ok = strings.CutPrefix(strings.TrimSpace(arg), word+":")
		}
		err := wrong
		if ok {
			err = each(strings.TrimSpace(arg))
		}
		if err != nil {
			problems = append(problems, Problem{Error: syntax.Error{Pos: syntax.Pos{File: src.Name, Line: n, Col: 1}, Err: fmt.Errorf("%q %w", line, err)}})
		}
	}
	return problems
}

// parseClasses reads classification.config; the built-in one when src is empty.
func parseClasses(src Source) (map[string]keyword.Class, []Problem) {
	if src.Text == "" {
		src = Source{"classification.config", builtinClassification}
	}
	classes := map[string]keyword.Class{}
	problems := configLines(src, "classification", errClassLine, func(arg string) error {
		name, rest, ok := strings.Cut(arg, ",")
		at := strings.LastIndexByte(rest, ',')
		if !ok || at < 0 {
			return errClassLine
		}
		priority, err := strconv.Atoi(strings.TrimSpace(rest[at+1:]))
		if err != nil || priority < 1 || priority > 255 {
			return errClassLine
		}
		classes[strings.TrimSpace(name)] = keyword.Class{Description: strings.TrimSpace(rest[:at]), Priority: priority}
		return nil
	})
	return classes, problems
}

// parseReferences reads reference.config; the built-in one when src is empty.
func parseReferences(src Source) (map[string]string, []Problem) {
	if src.Text == "" {
		src = Source{"reference.config", builtinReference}
	}
	references := map[string]string{}
	problems := configLines(src, "reference", errReferenceLine, func(arg string) error {
		kind, url, _ := strings.Cut(arg, " ")
		if kind == "" {
			return errReferenceLine
		}
		references[strings.ToLower(kind)] = strings.TrimSpace(url)
		return nil
	})
	return references, problems
}
