/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Counters per destination. */
#include "hash.h"

INLINE void claim(struct dest *d, struct pkt *p)
{
	d->claims++;
	d->armed = d->steps = 0;
	d->bytes = 0;
	UNROLL
	for (int i = 0; i < CLASSES; i++)
		d->packets[i] = 0;
	__builtin_memcpy(d->addr, p->dst, 16);
}

/* The destination's counters and, in *index, where they lie; 0 if all ways of its set are taken. */
INLINE struct dest *find_dest(const struct env *e, __u32 *index)
{
	struct pkt *p = e->p;
	__u32 base = (hash_addr(control.seed, p->dst) & dest_mask) * DEST_WAYS, idle_at = 0;
	struct dest *idle = 0;

	for (int i = 0; i < DEST_WAYS; i++) {
		__u32 at = base + i;
		struct dest *d = map_lookup(&dests, &at);

		if (!d)
			return 0;
		if (LIKELY(((__u64 *)d->addr)[0] == p->dst[0] && ((__u64 *)d->addr)[1] == p->dst[1])) {
			*index = at;
			return d;
		}
		if (!idle && !d->fixed && p->now - d->last > DEST_IDLE) {
			idle = d;
			idle_at = at;
		}
	}
	if (idle) {
		claim(idle, p);
		*index = idle_at;
	}
	return idle;
}
