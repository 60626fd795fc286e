/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* What the neighbourhood of the source may hold: the clean packet's one look-up. False alarms cost time, nothing else. */
#include "hash.h"

INLINE __u8 cell2(__u64 word, __u32 i) { return (word >> ((i & 31) * 2)) & 3; }

INLINE __u8 presence_of(const struct env *e)
{
	struct pkt *p = e->p;
	__u32 gen = control.generation ? 1 : 0, i, at;
	__u64 *word;
	__u8 level = HAS_NOTHING, shorter;
	int wide;

	if (p->version == 4) {
		i = ntohl((__u32)(p->src[1] >> 32)) >> 8;
		if (LIKELY(!(coarse.four[gen][i >> 14] >> (i >> 8 & 63) & 1)))
			return HAS_NOTHING;
		at = gen * PRESENCE4_WORDS + (i >> 5);
		word = map_lookup(&presence4, &at);
		return word ? cell2(*word, i) : HAS_NOTHING;
	}
	wide = control.shorter6 >> (p->src[0] >> 2 & 63) & 1;
	i = coarse6(p->src);
	if (LIKELY(!(wide | (coarse.six[gen][i >> 6] >> (i & 63) & 1))))
		return HAS_NOTHING;
	i = finish(mix(control.seed, p->src[0] & 0xffffffffffffULL)) & (PRESENCE6_WORDS * 32 - 1);
	at = gen * (PRESENCE6_WORDS + PRESENCE6_SHORT) + (i >> 5);
	word = map_lookup(&presence6, &at);
	if (word)
		level = cell2(*word, i);
	if (!wide)
		return level;
	i = ntohs((__u16)p->src[0]);
	at = gen * (PRESENCE6_WORDS + PRESENCE6_SHORT) + PRESENCE6_WORDS + (i >> 5);
	word = map_lookup(&presence6, &at);
	if (word) {
		shorter = cell2(*word, i);
		if (shorter > level)
			level = shorter;
	}
	return level;
}
