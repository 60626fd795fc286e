/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The one place where a packet's fate becomes a drop: guard, observe mode, counters, sample. */
#include "parse.h"
#include "hash.h"

/* Copies the head of the frame in words; what is left of the last word is not worth the instructions. */
INLINE __u32 copy_head(struct xdp_md *ctx, __u64 *to)
{
	__u64 *from = at(ctx, 0);
	__u32 n = 0;

	for (int i = 0; i < SAMPLE_HEAD / 8; i++) {
		if (!FITS(ctx, from + i, 8))
			break;
		to[i] = from[i];
		n += 8;
	}
	return n;
}

/* Puts the packet's head into the samples ring, if this tick's share is not used up. */
static NOINLINE void sample(struct xdp_md *ctx, struct pkt *p, __u32 reason, __u32 dropped)
{
	struct stats *st = p->stats;
	struct sample *s;

	if (st->sample_tick != p->now) {
		st->sample_tick = p->now;
		st->samples = 0;
	}
	if (LIKELY(st->samples >= SAMPLES_PER_TICK))
		return;
	st->samples++;
	s = ringbuf_reserve(&samples, sizeof(*s), 0);
	if (!s) {
		count(p, PATH_SAMPLE_LOST);
		return;
	}
	s->time = ktime_ns();
	s->ifindex = ctx->ingress_ifindex;
	s->wirelen = p->len;
	s->rule = p->rule;
	s->slot = p->slot;
	s->reason = reason;
	s->dropped = dropped;
	s->pad = 0;
	s->caplen = copy_head(ctx, (__u64 *)s->head);
	ringbuf_submit(s, 0);
}

/* Whether the source is on the never-block list. The presence level keeps the trie off everybody else's way. */
INLINE int guarded(struct pkt *p)
{
	struct prefix_key key = {.plen = 128};

	if (p->presence < HAS_GUARD)
		return 0;
	__builtin_memcpy(key.addr, p->src, 16);
	return map_lookup(&guard, &key) != 0;
}

/*
 * Asks to drop the packet for p->want; returns whether it is to be dropped. If not, the packet is exempt from further
 * judgement: one packet has one reason.
 */
INLINE int drop(struct xdp_md *ctx, struct pkt *p)
{
	__u32 reason = p->want;

	HIDE(reason);
	if (reason >= REASONS)
		return 0;
	p->exempt = launder(p, 1);
	if (guarded(p)) {
		count(p, PATH_GUARDED);
		return 0;
	}
	if (p->control->observe || mode == MODE_MIRROR) {
		p->stats->would[reason]++;
		sample(ctx, p, reason, 0);
		return 0;
	}
	p->stats->drops[reason]++;
	sample(ctx, p, reason, 1);
	return 1;
}
