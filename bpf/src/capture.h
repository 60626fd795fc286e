/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Copies of frames for user space. A ring buffer reserves constant sizes only, so a frame takes the smallest that holds it;
 * CaptureHeader says how much of it is frame.
 */
#include "parse.h"
#include "hash.h"

/* Before Linux 5.18 no helper copies from a frame: its words, and at the end the last 8 bytes, wherever they begin. */
INLINE int copy_words(struct xdp_md *ctx, void *to, __u32 n, const __u32 most)
{
	__u64 *from = at(ctx, 0), *last;

	for (__u32 i = 0; i < most / 8; i++) {
		if (i * 8 + 8 > n || !FITS(ctx, from + i, 8))
			break;
		((__u64 *)to)[i] = from[i];
	}
	n -= 8;
	HIDE(n);
	if (n > most - 8 || n > MAX_OFF)
		return -1;
	last = at(ctx, n);
	if (!FITS(ctx, last, 8))
		return -1;
	*(__u64 *)(to + n) = *last;
	return 0;
}

#define COPY(size, copy)                                                                             \
	do {                                                                                         \
		struct capture *c_ = ringbuf_reserve(ring, size, 0);                                 \
		if (!c_)                                                                             \
			goto lost;                                                                   \
		n--; /* Linux 6.1 learns nothing of n != 0 */                                        \
		HIDE(n);                                                                             \
		if (n >= (size) - sizeof(*c_) || (n++, copy)) {                                      \
			ringbuf_discard(c_, 1 /* BPF_RB_NO_WAKEUP */);                               \
			goto lost;                                                                   \
		}                                                                                    \
		c_->time = ktime_ns();                                                               \
		c_->wirelen = p->len;                                                                \
		c_->caplen = n;                                                                      \
		c_->hash = hash;                                                                     \
		c_->queue = ctx->rx_queue_index;                                                     \
		c_->flags = 0;                                                                       \
		ringbuf_submit(c_, 0);                                                               \
	} while (0)

#define LOAD(size) COPY(size, xdp_load_bytes(ctx, 0, c_ + 1, n))
#define WORDS(size) COPY(size, copy_words(ctx, c_ + 1, n, (size) - sizeof(struct capture)))
#define HOLDS(size) (n <= (size) - sizeof(struct capture))

INLINE void *ring_for(__u32 hash)
{
	__u32 which = ((__u64)hash * ring_count) >> 32;

	return map_lookup(&rings, &which);
}

/* Whose packet is at hand: what a function of its own begins with; 0 if nobody's. */
INLINE int at_hand(struct env *e)
{
	__u32 zero = 0;

	e->stats = map_lookup(&stats, &zero);
	if (!e->stats)
		return 0;
	e->p = (struct pkt *)e->stats->scratch;
	return 1;
}
