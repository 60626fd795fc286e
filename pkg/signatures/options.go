package signatures

import "github.com/weir-ips/weir/pkg/signatures/keyword"

// Options say how rules are loaded and evaluated. The zero value is Suricata's default configuration, in IDS mode.
type Options struct {
	// Variables are address groups and port groups by name without the dollar sign ("HOME_NET": "[10.0.0.0/8]").
	// Missing ones get Suricata's defaults.
	Variables map[string]string
	// Classification and Reference are the texts of classification.config and reference.config; "" means the built-in ones.
	Classification, Reference Source
	// Thresholds is the text of threshold.config.
	Thresholds Source
	// ActionOrder is the order of evaluation; nil means pass, drop, reject, alert.
	ActionOrder []keyword.Action
	// IPS makes drop and reject rules drop; otherwise they alert.
	IPS bool
	// PacketAlertMax bounds the hits of one packet; 0 means 15.
	PacketAlertMax int
	// RecursionLimit bounds the steps of one content inspection; 0 means 3000.
	RecursionLimit int
	// MatchLimit bounds the steps of one regular expression; 0 means 3500.
	MatchLimit int
	// DropOverBudget drops the rest of a flow whose inspection takes too much work, with IPS; otherwise it passes uninspected.
	DropOverBudget bool
	// ReadFile reads the files that rules name (datasets, iprep). nil refuses them.
	ReadFile func(name string) ([]byte, error)
	// NoWrite refuses rules with datasets that are saved; AnyPath lets them name files outside of the data directory.
	NoWrite, AnyPath bool
	// Datasets are defined by the configuration; rules refer to them by name.
	Datasets map[string]keyword.DatasetConfig
	// Reputation is what iprep looks up; nil refuses rules with iprep.
	Reputation *keyword.Reputation
	// GuessTx attaches the only live transaction to a hit without transaction (detect.guess-applayer-tx).
	GuessTx bool
	// Previous is the ruleset that this one replaces: names of flowbits, xbits and datasets keep their numbers, so that the
	// state of live flows stays valid across Engine.Swap.
	Previous *Ruleset
}
