// Package deploy holds what is installed beside the programs: units, example configuration, first rules.
package deploy

import _ "embed"

// Rules are a few rules of our own, in Suricata's language.
//
//go:embed rules/weir.rules
var Rules []byte
