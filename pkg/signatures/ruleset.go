package signatures

import "github.com/weir-ips/weir/pkg/signatures/keyword"

// Ruleset is a loaded set of rules: immutable, shared by the workers' engines.
type Ruleset struct {
	options    Options
	signatures []*keyword.Signature
	counts     Counts
	references map[string]string
	names      *keyword.Names
	files      *keyword.Files
	entries    map[*keyword.Signature]*ruleThresholds // rules without any have no entry
	groups
}

// Counts says what became of the rules.
func (rs *Ruleset) Counts() Counts { return rs.counts }

// Hashes says which hashes of files the rules ask for.
func (rs *Ruleset) Hashes() (md5, sha1, sha256 bool) {
	var h uint64
	for _, s := range rs.signatures {
		h |= s.Hashes
	}
	return h&(1<<16) != 0, h&(1<<20) != 0, h&(1<<32) != 0
}

// SaveDatasets writes the datasets that rules or the configuration want saved, each with the name of its file.
func (rs *Ruleset) SaveDatasets(write func(name string, data []byte) error) error {
	if rs.files == nil {
		return nil
	}
	return rs.files.Save(write)
}

// Signatures returns the loaded rules in the order of evaluation. The slice must not be changed.
func (rs *Ruleset) Signatures() []*keyword.Signature { return rs.signatures }

// ReferenceURL returns the URL prefix of a reference type ("cve"), "" when reference.config does not name it.
func (rs *Ruleset) ReferenceURL(kind string) string { return rs.references[kind] }
