/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Keyed hashing; hash.go is its mirror. The key is drawn once for the life of the maps, so that nobody outside can choose
 * colliding addresses. It need not be more than that: what is looked up by hash is compared in full.
 */
#include "packet.h"

INLINE __u64 mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ULL;
	return h ^ (h >> 32);
}

INLINE __u64 finish(__u64 h)
{
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 32);
}

INLINE __u64 hash_addr(__u64 seed, const __u64 a[2]) { return finish(mix(~seed, a[0]) ^ mix(seed, a[1])); }

/* Knuth's multiplicative hash of the first 32 bits, to 16: the place of an IPv6 address in coarse. */
INLINE __u32 coarse6(const __u64 a[2]) { return (__u32)a[0] * 0x9e3779b1u >> 16; }

/* Whether end (x, xport) sorts after end (y, yport). */
INLINE int after(const __u64 x[2], __u16 xport, const __u64 y[2], __u16 yport)
{
	if (x[0] != y[0])
		return ntohll(x[0]) > ntohll(y[0]);
	if (x[1] != y[1])
		return ntohll(x[1]) > ntohll(y[1]);
	return xport > yport;
}

/* The two ends go through two lanes, which the processor computes side by side. */
INLINE __u64 hash_ends(__u64 seed, __u64 tenant, const __u64 a[2], const __u64 b[2], __u64 ports)
{
	__u64 x = mix(mix(seed ^ tenant, a[0]), a[1]), y = mix(mix(~seed ^ ports, b[0]), b[1]);

	return finish(mix(x, y));
}

/* Sets p->swapped and p->hash: tuple order, and the hash of (tenant, a, b, ports, protocol). */
INLINE void hash_tuple(const struct env *e)
{
	struct pkt *p = e->p;
	__u64 seed = control.seed;

	p->swapped = after(p->src, p->sport, p->dst, p->dport);
	if (p->swapped)
		p->hash = hash_ends(seed, p->tenant, p->dst, p->src,
				    (__u64)p->dport << 32 | (__u64)p->sport << 16 | p->proto);
	else
		p->hash = hash_ends(seed, p->tenant, p->src, p->dst,
				    (__u64)p->sport << 32 | (__u64)p->dport << 16 | p->proto);
}

/*
 * Chooses the ring, by addresses alone: a datagram's later fragments have no ports, and must meet with the conversation that
 * they belong to, as must the connections that it announces.
 */
INLINE __u32 shard(const struct env *e)
{
	struct pkt *p = e->p;

	if (p->swapped)
		return hash_ends(control.seed, p->tenant, p->dst, p->src, 0) >> 32;
	return hash_ends(control.seed, p->tenant, p->src, p->dst, 0) >> 32;
}
