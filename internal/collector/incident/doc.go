// Package incident joins alerts into incidents: one attack is one incident, not a thousand alerts.
//
// An alert goes, in this order, to
//
//  1. the flood on its target, unless its source has completed a handshake there: floods make rules fire for forged sources,
//  2. the incident of its source: what one attacker does to many is one story,
//  3. the incident whose victim is its source: a host that was broken into and now does things of its own,
//  4. the incident whose attacker is its target and that has its source among the targets: the answer to an attack; or the incident,
//     just begun, of a host that this very alert shows to be broken into: streams are judged later than datagrams,
//  5. the incident of its signature and target: many sources that do the same to one,
//  6. the incident of its signature, once very many incidents have begun with it: the weather of the internet,
//
// and else begins one. Memory is bounded; everything is on disk within a second.
package incident
