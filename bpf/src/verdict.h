/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Which verdict decides: the one of highest rank among those on the flow, the source and the prefixes that hold it; among
 * equals the first met, which is the most specific. Observing verdicts count and decide nothing.
 */
#include "drop.h"

/* The best so far, in one word: rank << 48 | action << 40 | enum reason << 32 | slot. Rank 0: none. */
typedef __u64 pick;
#define PICK(rank, action, reason, slot) \
	((__u64)(rank) << 48 | (__u64)(action) << 40 | (__u64)(reason) << 32 | (slot))
#define PICK_RANK(k) ((__u32)((k) >> 48))
#define PICK_ACTION(k) ((__u8)((k) >> 40))
#define PICK_REASON(k) ((__u8)((k) >> 32))
#define PICK_SLOT(k) ((__u32)(k))

/* Sets slot to that of the cell tagged so, in bucket at + (hash & mask) or one after it; 0: there is none. */
#define FIND(slot, map, mask, at, hash, wanted)                                      \
	for (__u32 probe_ = 0; probe_ < PROBES; probe_++) {                          \
		__u32 i_ = (at) + (((__u32)(hash) + probe_) & (mask));               \
		struct bucket *b_ = map_lookup(&map, &i_);                           \
                                                                                     \
		if (!b_)                                                             \
			break;                                                       \
		UNROLL                                                               \
		for (int c_ = 0; c_ < CELLS; c_++)                                   \
			if (b_->cells[c_].tag == (wanted) && b_->cells[c_].slot)     \
				slot = b_->cells[c_].slot;                           \
		if (slot || LIKELY(!b_->cells[CELLS - 1].slot))                      \
			break;                                                       \
	}

INLINE int same(const void *x, const void *y)
{
	const __u64 *a = x, *b = y;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]));
}

/* Whether the verdict's narrowing holds for the packet. */
INLINE int applies(struct pkt *p, const struct verdict *v)
{
	__u32 i = v->target;
	struct target *t;

	if (v->proto && v->proto != p->proto)
		return 0;
	if (v->port && v->port != p->dport)
		return 0;
	if (!i)
		return 1;
	t = map_lookup(&targets, &i);
	return t && !((p->dst[0] ^ t->addr[0]) & t->mask[0]) && !((p->dst[1] ^ t->addr[1]) & t->mask[1]);
}

/* The better of best and what the chain from slot on has. */
INLINE pick walk(const struct env *e, pick best, __u32 slot, __u8 reason)
{
	struct pkt *p = e->p;

	for (int i = 0; i < CHAIN && slot; i++) {
		struct verdict *v = map_lookup(&verdicts, &slot);

		if (!v)
			break;
		if (!expired(p, v->expires) && applies(p, v)) {
			if (v->action == ACTION_OBSERVE) {
				ADD(&v->packets, 1);
				ADD(&v->bytes, p->len);
				e->stats->would[reason]++;
			} else if (v->rank > PICK_RANK(best)) {
				best = PICK(v->rank, v->action, reason, slot);
			}
		}
		slot = v->next;
	}
	return best;
}

/* Verdicts on the address addr, which stands for the source with plen bits. */
INLINE pick pick_source(const struct env *e, pick best, const __u64 addr[2], __u32 plen, __u32 tag, __u32 hash)
{
	__u32 slot = control.zero;
	struct verdict *v;

	FIND(slot, sources, source_mask, control.generation ? source_mask + 1 : 0, hash, tag);
	if (!slot)
		return best;
	v = map_lookup(&verdicts, &slot);
	if (!v || v->plen != plen || !same(v->src, addr))
		return best;
	return walk(e, best, slot, REASON_SOURCE);
}

/* One place in the code for all kinds of source: the verifier looks at it once or twice, not three times. */
INLINE pick pick_sources(const struct env *e, pick best)
{
	struct pkt *p = e->p;
	__u64 seed = control.seed, net[2] = {p->src[0], p->src[1]}, h;
	__u32 plen = control.zero + 128, tag;

	h = p->version == 4 ? finish(mix(seed, net[1])) : hash_addr(seed, net);
	tag = (p->version == 4 ? net[1] : h) >> 32; /* an IPv4 address is its own tag */
	for (int i = 0; i < 2; i++) {
		best = pick_source(e, best, net, plen, tag, h);
		if (p->version == 4)
			break;
		net[1] = 0;
		plen = 64;
		h = finish(mix(seed, net[0]));
		tag = h >> 32;
	}
	return best;
}

INLINE pick pick_prefix(const struct env *e, pick best)
{
	struct prefix_key key = {.plen = 128};
	__u32 gen = control.generation, *slot;
	void *trie = map_lookup(&prefixes, &gen);

	if (!trie)
		return best;
	__builtin_memcpy(key.addr, e->p->src, 16);
	slot = map_lookup(trie, &key);
	return slot ? walk(e, best, *slot, REASON_PREFIX) : best;
}
