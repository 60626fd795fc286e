// Package docs holds the documentation; the generated part is written by internal/docgen.
package docs

import _ "embed" // the runbook is shown in the console

//go:generate go run ../internal/docgen reference

// AttackRunbook is runbooks/attacks.md: what to do about each kind of attack.
//
//go:embed runbooks/attacks.md
var AttackRunbook []byte
