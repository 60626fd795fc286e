// Package prefiltertest gives tests and benchmarks of matchers real work: the fast patterns of ET Open, grouped as the engine
// groups them, and payloads of real captures. Both lie outside the repository, in the folder that WEIR_DATA names.
package prefiltertest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/prefilter"
)

// Group are patterns that are looked for together.
type Group struct {
	Name     string
	Patterns []prefilter.Pattern
}

// Data returns the folder of test data, or "" and why there is none.
func Data() (dir, reason string) {
	if dir = os.Getenv("WEIR_DATA"); dir == "" {
		return "", "WEIR_DATA is not set: it names the folder with rules/etopen/etopen-merged.rules, pcaps and mix.pcap"
	}
	return dir, ""
}

// Groups loads ET Open from dir and returns the groups with at least min patterns, large ones first.
func Groups(dir string, min int) ([]Group, error) {
	name := filepath.Join(dir, "rules/etopen/etopen-merged.rules")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("prefiltertest: %w", err)
	}
	rules, _ := signatures.Load([]signatures.Source{{Name: name, Text: string(text)}}, signatures.Options{})
	sets := map[string]map[string]prefilter.Pattern{}
	for _, s := range rules.Signatures() {
		if s.Fast.Pattern == nil {
			continue
		}
		for _, g := range groupsOf(s) {
			if sets[g] == nil {
				sets[g] = map[string]prefilter.Pattern{}
			}
			sets[g][fmt.Sprint(s.Fast.NoCase, s.Fast.Pattern)] = prefilter.Pattern{Bytes: s.Fast.Pattern, NoCase: s.Fast.NoCase}
		}
	}
	var all []Group
	for name, set := range sets {
		if len(set) >= min {
			all = append(all, Group{name, inOrder(set)})
		}
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Patterns), len(a.Patterns)), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// groupsOf names the groups that a rule is in: by buffer and direction.
func groupsOf(s *keyword.Signature) (names []string) {
	buffer := "tcp"
	switch {
	case s.Fast.Group >= 0:
		buffer = s.Groups[s.Fast.Group].Key
	case !s.L4.TCP():
		buffer = "other"
	}
	for d, name := range map[app.Direction]string{app.ToServer: " to server", app.ToClient: " to client"} {
		if s.Dirs.Has(d) || s.Dirs == 0 {
			names = append(names, buffer+name)
		}
	}
	return names
}

func inOrder(set map[string]prefilter.Pattern) (all []prefilter.Pattern) {
	var keys []string
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		all = append(all, set[k])
	}
	return all
}
