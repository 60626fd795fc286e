/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Copies of frames for user space. A ring buffer reserves constant sizes only, so a frame takes the smallest of five that
 * holds it; CaptureHeader says how much of it is frame.
 */
#include "hash.h"

#define COPY(size)                                                                                   \
	do {                                                                                         \
		struct capture *c_ = ringbuf_reserve(ring, size, 0);                                 \
		if (!c_)                                                                             \
			goto lost;                                                                   \
		HIDE(n);                                                                             \
		if (n == 0 || n > (size) - sizeof(*c_) || xdp_load_bytes(ctx, 0, c_ + 1, n)) {       \
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

INLINE void capture(const struct env *e)
{
	struct xdp_md *ctx = e->ctx;
	struct pkt *p = e->p;
	__u32 hash = shard(e), which = ((__u64)hash * ring_count) >> 32, n = p->len;
	void *ring;

	if (!has_load_bytes)
		return;
	ring = map_lookup(&rings, &which);
	if (!ring)
		goto lost;
	if (n > snaplen)
		n = snaplen;
	if (n <= 128 - sizeof(struct capture))
		COPY(128);
	else if (n <= 512 - sizeof(struct capture))
		COPY(512);
	else if (n <= 1600 - sizeof(struct capture))
		COPY(1600);
	else if (n <= 4096 - sizeof(struct capture))
		COPY(4096);
	else
		COPY(9216 + sizeof(struct capture));
	count(e, PATH_CAPTURE);
	return;
lost:
	count(e, PATH_CAPTURE_LOST);
}
