// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* Looks closely at packets to armed destinations: see filter.h and features.h. */
#include "filter.h"

/* Looks closely at the packet; returns REASON_FINGERPRINT if it looks like the attack. */
SEC("xdp")
__u32 look(struct xdp_md *ctx, __u32 which, __u32 what)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct filter *f = map_lookup(&filters, &which);
	struct pkt *p;

	if (!st || !f)
		return REASON_NONE;
	p = (struct pkt *)st->scratch;
	see(ctx, p);
	if (what & LOOK_SIGHT)
		sight(ctx, p, st, f, what & LOOK_GOOD);
	if (!(what & LOOK_PRINTS))
		return REASON_NONE;
	for (int i = 0; i < PRINTS; i++) {
		struct fingerprint *g = &f->prints[i];

		__u32 ended = ~(p->now - g->expires) >> 31, spared = what & LOOK_GOOD & ~(g->flags / PRINT_EVERYONE);

		if (ended | spared | unlike(&p->seen, g))
			continue;
		ADD(&g->packets, 1);
		ADD(&g->bytes, p->len);
		if (g->flags & PRINT_OBSERVE) {
			st->would[REASON_FINGERPRINT]++;
			continue;
		}
		p->rule = g->rule;
		p->slot = which * PRINTS + i;
		return REASON_FINGERPRINT;
	}
	return REASON_NONE;
}

char _license[] SEC("license") = "Dual BSD/GPL";
