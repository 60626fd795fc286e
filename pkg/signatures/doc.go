// Package signatures loads rules in Suricata's language and matches them.
//
//	rule text ──syntax.Parse──▶ *syntax.Rule ──keyword.Compile──▶ *keyword.Signature ──Load──▶ *Ruleset ──Engine.Inspect──▶ []Hit
//	             positions, order             table look-up,                       immutable     no allocation,
//	             lossless String()            typed errors                         swappable     no lock
package signatures
