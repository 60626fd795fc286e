// Package rollout keeps rule bundles and brings them to sensors: to one first, which is watched, then to the rest of its group.
//
//	Add ─▶ bundle ─▶ Stage ─▶ loading ─▶ watching ─▶ passed ─▶ Promote ─▶ promoted ─▶ Rollback
//	                             └──────────┴─▶ failed: the canary goes back by itself
//
// A bundle is named by what is in it. Which sensor runs which follows from Running and from open rollouts, is told in every beacon,
// and sensors fetch what they lack. A bundle that does not load on a sensor never replaces the one that runs there.
package rollout
