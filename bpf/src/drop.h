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

/* Puts the packet's head into the samples ring; what is reason | dropped << 8. Global, so that it is verified once. */
NOINLINE __u32 sample_head(struct xdp_md *ctx, __u32 len, __u32 what, __u32 rule, __u32 slot)
{
	struct sample *s = ringbuf_reserve(&samples, sizeof(*s), 0);

	if (!s)
		return 0;
	s->time = ktime_ns();
	s->ifindex = ctx->ingress_ifindex;
	s->wirelen = len;
	s->rule = rule;
	s->slot = slot;
	s->reason = what;
	s->dropped = what >> 8;
	s->pad = 0;
	s->caplen = copy_head(ctx, (__u64 *)s->head);
	ringbuf_submit(s, 0);
	return 1;
}

/* Samples the packet if this tick's share is not used up. */
INLINE void sample(const struct env *e, __u32 reason, __u32 dropped)
{
	struct stats *st = e->stats;
	struct pkt *p = e->p;

	if (UNLIKELY(st->sample_tick != p->now)) {
		st->sample_tick = p->now;
		st->samples = 0;
	}
	if (LIKELY(st->samples >= SAMPLES_PER_TICK))
		return;
	st->samples++;
	if (!sample_head(e->ctx, p->len, reason | dropped << 8, p->rule, p->slot))
		count(e, PATH_SAMPLE_LOST);
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
INLINE int drop(const struct env *e)
{
	struct pkt *p = e->p;
	__u32 reason = p->want;

	HIDE(reason);
	if (reason >= REASONS)
		return 0;
	p->exempt = 1;
	if (guarded(p)) {
		count(e, PATH_GUARDED);
		return 0;
	}
	if (control.observe || mode == MODE_MIRROR) {
		e->stats->would[reason]++;
		sample(e, reason, 0);
		return 0;
	}
	e->stats->drops[reason]++;
	sample(e, reason, 1);
	return 1;
}
