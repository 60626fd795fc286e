/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Counts per destination, and the limits of armed ones. */
#include "drop.h"

INLINE void claim(struct dest *d, struct pkt *p)
{
	d->claims++;
	d->armed = 0;
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
	__u32 base = (hash_addr(e->control->seed, p->dst) & dest_mask) * DEST_WAYS, idle_at = 0;
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

/* Whether the source is among those that completed a handshake lately: 3 bits of one word, in either generation. */
INLINE int known_good(const struct env *e)
{
	struct pkt *p = e->p;
	__u64 h, bits, *word;
	__u32 at;

	h = hash_addr(e->control->seed, p->version == 4 ? p->src : (__u64[2]){p->src[0], 0});
	bits = 1ULL << (h >> 32 & 63) | 1ULL << (h >> 38 & 63) | 1ULL << (h >> 44 & 63);
	at = h & (GOOD_WORDS - 1);
	word = map_lookup(&good, &at);
	if (word && (*word & bits) == bits)
		return 1;
	at += GOOD_WORDS;
	word = map_lookup(&good, &at);
	return word && (*word & bits) == bits;
}

/* Whether a packet of the class is over the limit of armed destination i. */
INLINE int over_limit(struct pkt *p, __u32 i, __u32 class)
{
	struct arm *a = map_lookup(&arms, &i);
	__u32 window = p->now >> ARM_WINDOW;

	if (!a || (__s32)(p->now - a->expires[class]) >= 0)
		return 0;
	if (a->window[class] != window) {
		a->window[class] = window;
		a->spent[class] = 0;
	}
	if (*(volatile __u32 *)&a->spent[class] >= a->budget[class])
		return 1;
	ADD(&a->spent[class], 1);
	return 0;
}

/*
 * Whether a SYN is the first of its tuple, and remembers it: tag << 8 | tick. A later one in the same place takes it, so a
 * flood costs a client at worst one more repetition, and no memory.
 */
INLINE int first_syn(const struct env *e)
{
	struct pkt *p = e->p;
	__u64 h = hash_ends(e->control->seed, p->tenant, p->src, p->dst,
			    (__u64)p->sport << 32 | (__u64)p->dport << 16 | p->proto);
	__u32 i = h & (FIRSTS - 1), tag = (__u32)(h >> 40) << 8, *first = map_lookup(&firsts, &i), was;
	__u8 age;

	if (!first)
		return 0;
	was = *first;
	age = p->now - was;
	if ((was & ~0xff) == tag && age <= FIRST_KEPT)
		return age < FIRST_AGAIN;
	*first = tag | (p->now & 0xff);
	return 1;
}

/* Counts the packet and sets p->want if it is part of a flood. */
INLINE void floods(const struct env *e)
{
	struct pkt *p = e->p;
	__u32 i = 0, class = p->class & (CLASSES - 1);
	struct dest *d = find_dest(e, &i);

	if (!d) {
		count(e, PATH_DEST_FULL);
		return;
	}
	ADD(&d->packets[class], 1);
	d->bytes += p->len;
	if (d->last != p->now)
		d->last = p->now;
	if (LIKELY(!(d->armed & 1 << class)) || p->exempt || !p->enforce || p->vital)
		return;
	if (known_good(e))
		count(e, PATH_GOOD);
	else if ((class == CLASS_SYN && d->armed & ARMED_FIRST && first_syn(e)) || over_limit(p, i, class))
		p->want = REASON_FLOOD_SYN + class;
}
