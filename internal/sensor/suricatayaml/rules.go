package suricatayaml

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-ips/weir/pkg/signatures"
)

// What rules' classtype and reference mean when no file says otherwise.
var (
	//go:embed classification.config
	classification string
	//go:embed reference.config
	references string
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
	o.Classification = signatures.Source{Name: "classification.config", Text: classification}
	o.Reference = signatures.Source{Name: "reference.config", Text: references}
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
	return o, nil
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
