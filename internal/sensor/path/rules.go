package path

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
			text, err := readText(f)
			if err != nil {
				return nil, fmt.Errorf("read rules: %w", err)
			}
			out = append(out, signatures.Source{Name: f, Text: text})
		}
	}
	return out, nil
}

// readText reads a file into a string, without holding it twice.
func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b strings.Builder
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.Grow(int(info.Size()))
	}
	if _, err := io.Copy(&b, f); err != nil {
		return "", err
	}
	return b.String(), nil
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
