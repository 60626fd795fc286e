/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* How a frame leaves. */
#include "drop.h"

INLINE void swap_words(__u32 *x, __u32 *y, int n)
{
	UNROLL
	for (int i = 0; i < n; i++) {
		__u32 t = x[i];

		x[i] = y[i];
		y[i] = t;
	}
}

/*
 * Sends the frame back to the load balancer as AWS wants it: outer addresses swapped, ports, options and payload
 * untouched. Checksums need no update: the sums are the same.
 */
INLINE int hairpin(struct xdp_md *ctx, struct pkt *p)
{
	struct ethhdr *eth = at(ctx, 0);
	__u32 off = p->outer;
	__u8 mac[6];

	if (off > MAX_OFF || !FITS(ctx, eth, sizeof(*eth)))
		return XDP_PASS;
	__builtin_memcpy(mac, eth->dst, 6);
	__builtin_memcpy(eth->dst, eth->src, 6);
	__builtin_memcpy(eth->src, mac, 6);
	struct iphdr *ip = at(ctx, off);
	if (!FITS(ctx, ip, sizeof(*ip)))
		return XDP_PASS;
	if (ip->vihl >> 4 == 4) {
		swap_words(&ip->src, &ip->dst, 1);
		return XDP_TX;
	}
	struct ip6hdr *ip6 = at(ctx, off);
	if (!FITS(ctx, ip6, sizeof(*ip6)))
		return XDP_PASS;
	swap_words((__u32 *)ip6->src, (__u32 *)ip6->dst, 4);
	return XDP_TX;
}

/* What happens to an undecided packet that nobody can inspect. */
INLINE int uninspected(struct xdp_md *ctx, struct pkt *p, __u32 path, __u32 reason)
{
	if (p->control->failure == FAIL_CLOSED) {
		if (!p->control->observe) {
			p->stats->drops[reason]++;
			sample(ctx, p, reason, 1);
			return XDP_DROP;
		}
		p->stats->would[reason]++;
	}
	count(p, path);
	return hairpin(ctx, p);
}

/* Hands the frame to user space, if it is there and has room. */
INLINE int inspect(struct xdp_md *ctx, struct pkt *p)
{
	__u32 queue = ctx->rx_queue_index;
	struct credit *c;

	if (!p->alive)
		return uninspected(ctx, p, PATH_LEASE_OPEN, REASON_CLOSED);
	if (!map_lookup(&sockets, &queue))
		return uninspected(ctx, p, PATH_NO_SOCKET, REASON_CLOSED);
	c = map_lookup(&credits, &queue);
	if (!c || (__s64)(c->granted - c->used) <= 0)
		return uninspected(ctx, p, PATH_CREDIT_OPEN, REASON_BACKLOG);
	c->used++;
	count(p, PATH_INSPECT);
	return redirect_map(&sockets, queue, XDP_DROP);
}
