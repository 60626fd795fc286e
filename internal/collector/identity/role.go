package identity

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what an account or a token may do. The names are part of the API.
type Role string

// The roles. Each includes others, see Role.Includes.
const (
	Viewer    Role = "viewer"     // reads everything but accounts and settings
	Analyst   Role = "analyst"    // also judges alerts and incidents: triage, comments, suppressions
	Responder Role = "responder"  // also decides on verdicts for at most a day, and uses the kill switch
	Approver  Role = "approver"   // also decides what takes two: longer verdicts, never-block lists, rollback, held feeds
	RuleAdmin Role = "rule-admin" // judges alerts, and changes rules and policy
	Admin     Role = "admin"      // everything: accounts, tokens, enrolment
)

// Roles lists all roles, the least first.
func Roles() []Role { return []Role{Viewer, Analyst, Responder, Approver, RuleAdmin, Admin} }

// Includes reports whether who has r may do what asks for want.
func (r Role) Includes(want Role) bool {
	switch {
	case r == want, r == Admin:
		return true
	case r == RuleAdmin:
		return want == Viewer || want == Analyst
	}
	ladder := []Role{Viewer, Analyst, Responder, Approver}
	have, need := slices.Index(ladder, r), slices.Index(ladder, want)
	return need >= 0 && have >= need
}

// Includes reports whether one of roles includes want.
func Includes(roles []Role, want Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return r.Includes(want) })
}

// ParseRoles reads names of roles; what is empty or unknown is an error. The result is sorted as Roles and has no duplicates.
func ParseRoles(names []string) ([]Role, error) {
	var got []Role
	for _, r := range Roles() {
		if slices.Contains(names, string(r)) {
			got = append(got, r)
		}
	}
	for _, n := range names {
		if !slices.Contains(Roles(), Role(n)) {
			return nil, fmt.Errorf("%q is not one of %s", n, strings.Join(namesOf(Roles()), ", "))
		}
	}
	if len(got) == 0 {
		return nil, fmt.Errorf("give at least one of %s", strings.Join(namesOf(Roles()), ", "))
	}
	return got, nil
}

func namesOf(roles []Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}

// join and split are how roles are kept in a column.
func join(roles []Role) string { return strings.Join(namesOf(roles), " ") }

func split(text string) []Role {
	roles := []Role{}
	for _, name := range strings.Fields(text) {
		roles = append(roles, Role(name))
	}
	return roles
}
