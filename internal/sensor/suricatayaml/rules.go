package suricatayaml

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// RulePaths finds rule files: a relative name that does not exist is looked for in default-rule-path.
func (s *Settings) RulePaths(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f
		if _, err := os.Stat(f); err != nil && !filepath.IsAbs(f) && s.RuleDir != "" {
			out[i] = filepath.Join(s.RuleDir, f)
		}
	}
	return out
}

// RuleOptions returns how rules are loaded, with the files that the configuration names read. Datasets and hash lists
// are looked for beside the rule files and in default-data-dir.
func (s *Settings) RuleOptions(ruleFiles []string) (signatures.Options, error) {
	o := s.Rules
	o.NoWrite, o.AnyPath = !s.Datasets.Write, s.Datasets.AbsoluteNames
	for _, f := range []struct {
		name string
		into *signatures.Source
	}{{s.Classification, &o.Classification}, {s.References, &o.Reference}, {s.Thresholds, &o.Thresholds}} {
		if f.name == "" {
			continue
		}
		text, err := os.ReadFile(f.name)
		if err != nil {
			return o, fmt.Errorf("read configuration: %w", err)
		}
		*f.into = signatures.Source{Name: f.name, Text: string(text)}
	}
	o.ReadFile = s.reader(ruleFiles)
	var err error
	o.Reputation, err = s.Reputation.load()
	return o, err
}

// load reads the files of IP reputation; nil without any.
func (r *Reputation) load() (*keyword.Reputation, error) {
	if r.Categories == "" {
		return nil, nil
	}
	categories, err := os.ReadFile(r.Categories)
	if err != nil {
		return nil, fmt.Errorf("read reputation: %w", err)
	}
	lists := make([][]byte, len(r.Files))
	for i, f := range r.Files {
		if lists[i], err = os.ReadFile(f); err != nil {
			return nil, fmt.Errorf("read reputation: %w", err)
		}
	}
	rep, err := keyword.ParseReputation(categories, lists...)
	if err != nil {
		return nil, fmt.Errorf("read reputation: %w", err)
	}
	return rep, nil
}

// reader finds the files that rules name.
func (s *Settings) reader(ruleFiles []string) func(string) ([]byte, error) {
	var dirs []string
	for _, f := range ruleFiles {
		dirs = append(dirs, filepath.Dir(f))
	}
	dirs = append(dirs, s.DataDir)
	return func(name string) ([]byte, error) {
		if filepath.IsAbs(name) {
			return os.ReadFile(name)
		}
		var first error
		for _, d := range dirs {
			b, err := os.ReadFile(filepath.Join(d, name))
			if err == nil {
				return b, nil
			}
			if first == nil || !errors.Is(err, fs.ErrNotExist) {
				first = err
			}
		}
		return nil, first
	}
}
