package path

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-ips/weir/pkg/signatures"
)

// ReadRules reads rule files. A name may be a pattern (*.rules), whose files are read in order of their names and may be
// none; a plain name must exist.
func ReadRules(names []string) ([]signatures.Source, error) {
	var out []signatures.Source
	for _, name := range names {
		files, err := expand(name)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("read rules: %w", err)
			}
			out = append(out, signatures.Source{Name: f, Text: string(text)})
		}
	}
	return out, nil
}

func expand(name string) ([]string, error) {
	if _, err := os.Stat(name); err == nil {
		return []string{name}, nil
	}
	files, err := filepath.Glob(name)
	if err != nil {
		return nil, fmt.Errorf("read rules: %q: %w", name, err)
	}
	if len(files) == 0 && !slices.ContainsFunc([]byte(name), func(c byte) bool { return c == '*' || c == '?' || c == '[' }) {
		return []string{name}, nil // reading it gives the error that names the reason
	}
	return files, nil
}

// Failed are the problems that kept a rule from being loaded.
func Failed(problems []signatures.Problem) []signatures.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p signatures.Problem) bool { return p.Warning })
}
