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

/* Each of these swaps what a frame has twice, and returns 0 if it does not have it. Checksums stay: the sums are the same. */
INLINE int swap_macs(struct xdp_md *ctx)
{
	struct ethhdr *eth = at(ctx, 0);
	__u8 mac[6];

	if (!FITS(ctx, eth, sizeof(*eth)))
		return 0;
	__builtin_memcpy(mac, eth->dst, 6);
	__builtin_memcpy(eth->dst, eth->src, 6);
	__builtin_memcpy(eth->src, mac, 6);
	return 1;
}

INLINE int swap_ip4(struct xdp_md *ctx, __u32 off)
{
	struct iphdr *ip = at(ctx, off);

	if (!FITS(ctx, ip, sizeof(*ip)))
		return 0;
	swap_words(&ip->src, &ip->dst, 1);
	return 1;
}

INLINE int swap_ip6(struct xdp_md *ctx, __u32 off)
{
	struct ip6hdr *ip = at(ctx, off);

	if (!FITS(ctx, ip, sizeof(*ip)))
		return 0;
	swap_words((__u32 *)ip->src, (__u32 *)ip->dst, 4);
	return 1;
}

INLINE int swap_ips(struct xdp_md *ctx, __u32 off)
{
	struct iphdr *ip = at(ctx, off);

	if (!FITS(ctx, ip, sizeof(*ip)))
		return 0;
	return ip->vihl >> 4 == 4 ? swap_ip4(ctx, off) : swap_ip6(ctx, off);
}

/*
 * Sends the frame back to the load balancer as AWS wants it: outer addresses swapped, ports, options and payload
 * untouched.
 */
INLINE int hairpin(const struct env *e)
{
	__u32 off = e->p->outer;

	if (off > MAX_OFF || !swap_macs(e->ctx) || !swap_ips(e->ctx, off))
		return XDP_PASS;
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

/* The buffers that the socket needs for the frame. */
INLINE __u32 buffers(const struct env *e, const struct credit *c)
{
	if (!has_frags || LIKELY(e->p->len <= c->room))
		return 1;
	return (e->p->len - 1) / c->room + 1;
}

/* Whether user space is there to inspect and has room: PATH_INSPECT, or the path by which the packet may go instead. */
INLINE __u32 inspector(const struct env *e, __u32 queue)
{
	struct credit *c;
	__u32 n;

	if (!e->p->alive)
		return PATH_LEASE_OPEN;
	if (!map_lookup(&sockets, &queue))
		return PATH_NO_SOCKET;
	c = map_lookup(&credits, &queue);
	if (!c)
		return PATH_CREDIT_OPEN;
	if (UNLIKELY(e->p->len > c->most))
		return PATH_OVERSIZE_OPEN;
	n = buffers(e, c);
	if ((__s64)(c->granted - c->used) < n)
		return PATH_CREDIT_OPEN;
	c->used += n;
	return PATH_INSPECT;
}

/* Whether policy refuses a packet that nobody inspects. Observe mode refuses nothing. */
INLINE int refused(const struct env *e, __u32 path)
{
	__u32 reason = REASON_CLOSED;

	if (path == PATH_CREDIT_OPEN)
		reason = REASON_BACKLOG;
	else if (path == PATH_OVERSIZE_OPEN)
		reason = REASON_OVERSIZE;
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
