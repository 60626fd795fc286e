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
INLINE int hairpin(const struct env *e)
{
	struct xdp_md *ctx = e->ctx;
	struct ethhdr *eth = at(ctx, 0);
	__u32 off = e->p->outer;
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

/* Moves the frame on without inspection: back to the load balancer, or out of the other port. */
INLINE int move_on(const struct env *e)
{
	if (mode == MODE_BRIDGE)
		return redirect_map(&bridge, e->ctx->ingress_ifindex, XDP_DROP);
	return hairpin(e);
}

/* The slot of sockets and credits for the receive queue: in bridge the second port's queues lie behind the first's. */
INLINE __u32 queue_slot(const struct env *e)
{
	__u32 queue = e->ctx->rx_queue_index;

	if (mode != MODE_BRIDGE)
		return queue;
	if (queue >= PORT_QUEUES)
		return 2 * PORT_QUEUES; /* there is none */
	return e->ctx->ingress_ifindex == control.second ? queue + PORT_QUEUES : queue;
}

/* Whether user space is there to inspect and has room: PATH_INSPECT, or the path by which the packet may go instead. */
INLINE __u32 inspector(const struct env *e, __u32 queue)
{
	struct credit *c;

	if (!e->p->alive)
		return PATH_LEASE_OPEN;
	if (!map_lookup(&sockets, &queue))
		return PATH_NO_SOCKET;
	c = map_lookup(&credits, &queue);
	if (!c || (__s64)(c->granted - c->used) <= 0)
		return PATH_CREDIT_OPEN;
	c->used++;
	return PATH_INSPECT;
}

/* Whether policy refuses a packet that nobody inspects. Observe mode refuses nothing. */
INLINE int refused(const struct env *e, __u32 path)
{
	__u32 reason = path == PATH_CREDIT_OPEN ? REASON_BACKLOG : REASON_CLOSED;

	if (LIKELY(control.failure != FAIL_CLOSED))
		return 0;
	if (control.observe) {
		e->stats->would[reason]++;
		return 0;
	}
	e->stats->drops[reason]++;
	e->p->rule = e->p->slot = 0;
	sample(e, reason, 1);
	return 1;
}

/* Hands an undecided packet to user space, or moves it on. */
INLINE int inline_act(const struct env *e)
{
	__u32 path = PATH_HAIRPIN, queue = queue_slot(e);

	if (!e->p->decided) {
		path = inspector(e, queue);
		if (path == PATH_INSPECT) {
			count(e, PATH_INSPECT);
			return redirect_map(&sockets, queue, XDP_DROP);
		}
		if (refused(e, path))
			return XDP_DROP;
	}
	count(e, path);
	return move_on(e);
}
