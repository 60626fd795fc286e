package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// rules is a loaded ruleset with its name: the hash of its texts.
type rules struct {
	*signatures.Ruleset
	id string
}

// loadRules reads the rule files that the configuration names, and those that the collector has sent. One bad rule refuses the whole set, so that a mistyped
// rule is found when it is written and not when it should have fired; previous keeps the state of live flows valid.
func loadRules(c *config.Config, previous *signatures.Ruleset) (*rules, error) {
	defer path.Loading()()
	sources, err := readRules(c.Rules)
	if err != nil {
		return nil, err
	}
	sent, err := path.ReadRules([]string{uplink.RulesPath(uplinkDir(c))})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sources = append(sources, sent...)
	sum := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(sum, "%s\n%d\n%s", filepath.Base(s.Name), len(s.Text), s.Text)
	}
	rs, problems := signatures.Load(sources, signatures.Options{
		Variables: c.Variables,
		IPS:       inline(c),
		// what cannot be inspected passes or does not, as when the sensor fails
		DropOverBudget: c.OnFailure == "closed",
		Previous:       previous,
		ReadFile:       os.ReadFile,
	})
	var bad []error
	for _, p := range path.Failed(problems) {
		bad = append(bad, &p.Error)
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	return &rules{Ruleset: rs, id: hex.EncodeToString(sum.Sum(nil))}, nil
}

// readRules reads every file that the patterns match, in the order given. A pattern that matches nothing is an error: a
// sensor without the rules it was told to load would be a quiet failure.
func readRules(patterns []string) ([]signatures.Source, error) {
	var all []signatures.Source
	for _, pattern := range patterns {
		sources, err := path.ReadRules([]string{pattern})
		if err != nil {
			return nil, err
		}
		if len(sources) == 0 {
			return nil, fmt.Errorf("rules: no file matches %q", pattern)
		}
		all = append(all, sources...)
	}
	return all, nil
}

// inline reports whether packets wait for their verdict, so that the first packet of an attack can still be stopped.
func inline(c *config.Config) bool { return inTheWay(c) && c.Enforcing() }

// inTheWay reports whether packets wait for inspection.
func inTheWay(c *config.Config) bool { return c.Mode == config.GWLB || c.Mode == config.Bridge }

// blocks is the policy layer: does an alert of this signature block its flow? nil when nothing does.
func blocks(c *config.Config) func(*keyword.Signature) bool {
	if len(c.Block) == 0 {
		return nil
	}
	return func(s *keyword.Signature) bool {
		return slices.ContainsFunc(c.Block, func(b config.Block) bool { return meets(&b, s) })
	}
}

func meets(b *config.Block, s *keyword.Signature) bool {
	return (len(b.Signatures) == 0 || slices.Contains(b.Signatures, s.SID)) &&
		(len(b.Classtypes) == 0 || slices.Contains(b.Classtypes, s.Class)) &&
		(b.Severity == 0 || s.Priority <= int(b.Severity))
}
