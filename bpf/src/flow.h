/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Verdicts on single flows. */
#include "verdict.h"

INLINE int same_flow(struct pkt *p, const struct flow *f)
{
	if (f->key.tenant != p->tenant || f->key.proto != p->proto)
		return 0;
	if (p->swapped)
		return same(f->key.a, p->dst) && same(f->key.b, p->src) && f->key.aport == p->dport &&
		       f->key.bport == p->sport;
	return same(f->key.a, p->src) && same(f->key.b, p->dst) && f->key.aport == p->sport && f->key.bport == p->dport;
}

/*
 * A new connection on an old tuple has not been inspected, and a fragment's datagram must be seen whole: neither is let
 * through by the verdict of a flow, though either may be dropped by it.
 */
INLINE int holds(struct pkt *p, const struct flow *f)
{
	if (f->action != ACTION_PASS && f->action != ACTION_BYPASS)
		return 1;
	return p->class != CLASS_SYN && !p->frag;
}

INLINE pick pick_flow(const struct env *e, pick best)
{
	struct pkt *p = e->p;
	__u32 slot = control.zero, dir = p->swapped & 1;
	struct flow *f;

	FIND(slot, flow_cells, flow_mask, 0, p->hash, p->hash >> 32);
	if (!slot)
		return best;
	f = map_lookup(&flows, &slot);
	if (!f || expired(p, f->expires) || !same_flow(p, f) || !holds(p, f))
		return best;
	if (f->action != ACTION_OBSERVE)
		return PICK(f->rank, f->action, REASON_FLOW, slot);
	ADD(&f->packets[dir], 1);
	ADD(&f->bytes[dir], p->len);
	e->stats->would[REASON_FLOW]++;
	return best;
}
