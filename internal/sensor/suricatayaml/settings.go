package suricatayaml

import (
	_ "embed"
	"path/filepath"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// Settings are what a Suricata configuration says, in the terms of the packages that obey them.
type Settings struct {
	IPS     bool
	Flow    *flow.Config // without Protocols
	Decoder *decode.Decoder
	Parsers path.Parsers
	HASSH   bool // ssh records wait for the fingerprints

	Rules   signatures.Options // Variables, ActionOrder and limits; no files
	Outputs []Output

	RuleDir        string // default-rule-path: what relative rule files are in
	DataDir        string // default-data-dir: what relative datasets are in
	Classification string // classification-file, or ""
	References     string // reference-config-file, or ""
	Thresholds     string // threshold-file, or ""
	Reputation     Reputation
	Datasets       Datasets
	Stats          Stats
	FileStore      FileStore
	Log            string // file in the output directory for what the program says about itself, as JSON; "" for none
	MasterPolicy   string // exception-policy as it is written, or ""
}

// Output is one eve-log.
type Output struct {
	Name string // file name, relative to the output directory
	event.Options
}

// Reputation names the files of IP reputation.
type Reputation struct {
	Categories string
	Files      []string
}

// Datasets say what rules may do with files.
type Datasets struct {
	AbsoluteNames bool // datasets.rules.allow-absolute-filenames
	Write         bool // datasets.rules.allow-write
}

// Stats say what stats records hold.
type Stats struct {
	Policies bool // exception policies by target
	PerProto bool // app-layer errors' exception policies by protocol
}

// FileStore says which files are kept on disk.
type FileStore struct {
	Enabled bool
	Dir     string // relative to the output directory
	Force   bool   // every file, not only those that rules ask for
}

// Default returns Suricata's own settings, with ips as if the packets could be dropped.
func Default(ips bool) *Settings {
	s := &Settings{
		IPS: ips, Flow: flow.NewConfig(), Decoder: decode.Default(), Parsers: path.DefaultParsers(),
		Outputs:   []Output{{Name: "eve.json", Options: event.DefaultOptions()}},
		DataDir:   ".",
		Datasets:  Datasets{Write: true},
		FileStore: FileStore{Dir: "filestore"},
	}
	s.Flow.IPS, s.Flow.Inline = ips, ips
	s.Rules.IPS = ips
	s.Rules.Variables = map[string]string{}
	return s
}

// bare takes what Suricata falls back to when its configuration leaves out a setting that the stock configuration has.
func (s *Settings) bare() {
	s.Flow.Depth = 0
	s.Flow.Timeouts = flow.BuiltinTimeouts()
	s.Parsers.HTTP.RequestBodyLimit, s.Parsers.HTTP.ResponseBodyLimit = 4096, 4096
}

// Load reads the configuration file, or takes the defaults when its name is empty, and changes it by the assignments of
// sets ("stream.midstream=true"). Warnings do not keep it from being used.
func Load(file string, sets []string, ips bool) (*Settings, []*Problem, error) {
	l := &loader{dir: filepath.Dir(file)}
	root, err := l.open(file)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sets {
		if err := root.set(s); err != nil {
			return nil, nil, err
		}
	}
	r := &reader{root: root, warnings: l.warnings}
	s := Default(ips)
	if file != "" {
		s.bare()
	}
	s.apply(r)
	if r.err != nil {
		return nil, r.warnings, r.err
	}
	r.unknown(root, "")
	return s, r.warnings, nil
}

//go:embed default.yaml
var defaults []byte

// open reads the first file, or what holds without one.
func (l *loader) open(file string) (*node, error) {
	if file == "" {
		return l.parse("default.yaml", defaults)
	}
	return l.load(file)
}

// apply takes over every setting that is known.
func (s *Settings) apply(r *reader) {
	s.variables(r)
	s.files(r)
	s.detection(r)
	s.stream(r)
	s.tables(r)
	s.policies(r)
	s.decoding(r)
	s.protocols(r)
	s.outputs(r)
	s.logging(r)
}

func (s *Settings) variables(r *reader) {
	for _, group := range []string{"vars.address-groups", "vars.port-groups"} {
		n := r.at(group)
		if n == nil {
			continue
		}
		for _, c := range n.children {
			c.used = true
			switch c.kind {
			case scalar:
				s.Rules.Variables[c.key] = c.value
			case list:
				s.Rules.Variables[c.key] = joined(c)
			default:
				r.fail(c, group+"."+c.key, "want an address list such as \"[10.0.0.0/8]\"")
			}
		}
	}
}

// joined writes a YAML list of addresses or ports in the form of rules: [a,b].
func joined(n *node) string {
	out := "["
	for i, c := range n.children {
		c.used = true
		if i > 0 {
			out += ","
		}
		out += c.value
	}
	return out + "]"
}

// files takes over the names of further files.
func (s *Settings) files(r *reader) {
	r.text("default-rule-path", &s.RuleDir)
	r.text("default-data-dir", &s.DataDir)
	r.optionalFile("classification-file", &s.Classification)
	r.optionalFile("reference-config-file", &s.References)
	r.text("threshold-file", &s.Thresholds)
	r.text("reputation-categories-file", &s.Reputation.Categories)
	s.Reputation.Files = r.strings("reputation-files")
	var dir string
	r.text("default-reputation-path", &dir)
	for i, f := range s.Reputation.Files {
		if !filepath.IsAbs(f) && dir != "" {
			s.Reputation.Files[i] = filepath.Join(dir, f)
		}
	}
	r.flag("datasets.rules.allow-absolute-filenames", &s.Datasets.AbsoluteNames)
	r.flag("datasets.rules.allow-write", &s.Datasets.Write)
	s.datasets(r)
}

// datasets takes over the sets that the configuration defines: every group of datasets with a type.
func (s *Settings) datasets(r *reader) {
	n := r.at("datasets")
	if n == nil {
		return
	}
	for _, c := range n.children {
		path := "datasets." + c.key
		var d keyword.DatasetConfig
		r.text(path+".type", &d.Type)
		r.text(path+".load", &d.Load)
		r.text(path+".state", &d.State)
		c.markAll()
		if d.Type == "" {
			continue
		}
		if s.Rules.Datasets == nil {
			s.Rules.Datasets = map[string]keyword.DatasetConfig{}
		}
		s.Rules.Datasets[c.key] = d
	}
}

// markAll says that everything below is known.
func (n *node) markAll() {
	n.used = true
	for _, c := range n.children {
		c.markAll()
	}
}
