/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The verdict stage: find the decision, count it, say what it wants. */
#include "flow.h"
#include "presence.h"

/* Counts the packet for the verdict that won; returns whether it is over its rate, if it has one. */
INLINE int hit_flow(struct pkt *p, __u32 slot, int limited)
{
	struct flow *f = map_lookup(&flows, &slot);
	__u32 dir = p->swapped & 1;

	if (!f)
		return 0;
	ADD(&f->packets[dir], 1);
	ADD(&f->bytes[dir], p->len);
	f->last = p->now;
	p->rule = f->rule;
	return limited && over_budget(&f->spent, f->budget, p->now);
}

INLINE int hit_verdict(struct pkt *p, __u32 slot, int limited)
{
	struct verdict *v = map_lookup(&verdicts, &slot);

	if (!v)
		return 0;
	ADD(&v->packets, 1);
	ADD(&v->bytes, p->len);
	p->rule = v->rule;
	return limited && over_budget(&v->spent, v->budget, p->now);
}

/* Sets p->want if a verdict wants the packet dropped, p->exempt if one allows it, p->decided if nobody need inspect it. */
INLINE void judge(const struct env *e)
{
	struct pkt *p = e->p;
	pick best = control.zero;
	__u8 action;
	int over;

	p->presence = presence_of(e);
	if (LIKELY(!control.flows && p->presence < HAS_SOURCE))
		return;
	if (control.flows)
		best = pick_flow(e, best);
	if (p->presence >= HAS_SOURCE)
		best = pick_sources(e, best);
	if (p->presence >= HAS_PREFIX)
		best = pick_prefix(e, best);
	if (LIKELY(!PICK_RANK(best)))
		return;

	action = PICK_ACTION(best);
	p->slot = PICK_SLOT(best);
	if (PICK_REASON(best) == REASON_FLOW)
		over = hit_flow(p, p->slot, action == ACTION_RATELIMIT);
	else
		over = hit_verdict(p, p->slot, action == ACTION_RATELIMIT);
	if (action == ACTION_DROP)
		p->want = PICK_REASON(best);
	else if (over)
		p->want = REASON_RATE;
	else
		p->exempt = action == ACTION_PASS || action == ACTION_BYPASS;
	/* inline, a flow that a rule passed has nothing left to inspect either */
	p->decided = action == ACTION_BYPASS || (action == ACTION_PASS && PICK_REASON(best) == REASON_FLOW &&
						 (mode == MODE_GWLB || mode == MODE_BRIDGE));
}
