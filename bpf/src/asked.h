/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What was lately seen: first SYNs, and what armed destinations asked others. One array of hashes, tag << 8 | tick, in which
 * a newer one takes the place of an older.
 */
#include "dest.h"

/* How many ticks ago the hash was noted; 256: not lately. */
INLINE __u32 recent_age(__u64 h, __u32 now)
{
	__u32 i = h & (RECENT - 1), *at = map_lookup(&recent, &i), was;

	if (!at)
		return 256;
	was = *at;
	return ((was ^ (__u32)(h >> 32)) & ~0xff) ? 256 : (now - was) & 0xff;
}

INLINE void note_recent(__u64 h, __u32 now)
{
	__u32 i = h & (RECENT - 1), *at = map_lookup(&recent, &i), tag = (__u32)(h >> 32) & ~0xff;

	if (at)
		*at = tag | (now & 0xff);
}

#define ASKED_SALT 0x5bd1e9955bd1e995ULL /* a question is no first SYN */

/* The hash of a question from end (x, xport) to (y, yport). */
INLINE __u64 hash_question(__u64 seed, const struct pkt *p, const __u64 x[2], __u16 xport, const __u64 y[2], __u16 yport)
{
	return hash_ends(seed ^ ASKED_SALT, p->tenant, x, y, (__u64)xport << 32 | (__u64)yport << 16 | p->proto);
}

/* Whether the port is among the filter's: eight words, in each of which a subtraction finds a zero among four. */
INLINE int has_port(const struct filter *f, __u16 port)
{
	const __u64 ones = 0x0001000100010001ULL, *word = (const __u64 *)f->ports;
	__u64 wanted = ones * port, found = 0;

	UNROLL
	for (int i = 0; i < FILTER_PORTS / 4; i++) {
		__u64 x = word[i] ^ wanted;

		found |= (x - ones) & ~x;
	}
	return port && found & ones << 15;
}

/* Notes a question of a destination that is armed against answers to none. Global, so that it is verified once. */
NOINLINE __u32 note_question(struct xdp_md *ctx)
{
	__u32 zero = 0, base, step;
	struct stats *st = map_lookup(&stats, &zero);
	struct pkt *p;

	if (!ctx || !st)
		return 0;
	p = (struct pkt *)st->scratch;
	if (p->class != CLASS_UDP && p->class != CLASS_SYN)
		return 0;
	step = p->class == CLASS_UDP ? STEP_UNASKED : STEP_SYNACK;
	base = (hash_addr(control.seed, p->src) & dest_mask) * DEST_WAYS;
	for (int i = 0; i < DEST_WAYS; i++) {
		__u32 at = base + i;
		struct dest *d = map_lookup(&dests, &at);

		if (!d)
			return 0;
		if (((__u64 *)d->addr)[0] != p->src[0] || ((__u64 *)d->addr)[1] != p->src[1])
			continue;
		if (d->steps & 1 << step)
			note_recent(hash_question(control.seed, p, p->src, p->sport, p->dst, p->dport), p->now);
		return 0;
	}
	return 0;
}

/*
 * Whether the packet answers a question that its destination has not asked, and comes from a port where that matters. In
 * host mode questions are not seen: there a known-good source is believed.
 */
INLINE int unasked(const struct env *e, __u32 which, int good)
{
	struct pkt *p = e->p;
	struct filter *f = map_lookup(&filters, &which);

	if (!f || (p->class == CLASS_UDP && !has_port(f, p->sport)))
		return 0;
	if (mode == MODE_HOST ? good
			      : recent_age(hash_question(control.seed, p, p->dst, p->dport, p->src, p->sport), p->now) <=
					ASKED_KEPT) {
		ADD(&f->asked, 1);
		count(e, PATH_ASKED);
		return 0;
	}
	ADD(p->class == CLASS_UDP ? &f->unasked : &f->synacks, 1);
	return 1;
}
