/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What the program does without: objects of their own have functions of these names, and ../feature.go puts those in the place of these
 * when it loads the program, as a linker puts strong symbols in the place of weak ones. An object that the kernel refuses is
 * left out. What runs only with one asks its constant in maps.h, so that the verifier removes the call as well.
 */
#include "capture.h"

#define WEAK __attribute__((weak, noinline))

/* challenge.bpf.c: whether the packet is a reset that proves its source; sends a SYN back, answered. */
WEAK __u32 proves(struct xdp_md *ctx) { return ctx ? 0 : 1; }
WEAK int answer_challenge(struct xdp_md *ctx) { return ctx ? XDP_DROP : XDP_ABORTED; }

/* cookie.bpf.c: whether the packet acknowledges a SYN cookie of the kernel's; sends a SYN back, answered with one. */
WEAK __u32 acknowledges(struct xdp_md *ctx) { return ctx ? 0 : 1; }
WEAK int answer_cookie(struct xdp_md *ctx) { return ctx ? XDP_DROP : XDP_ABORTED; }

/* fingerprint.bpf.c: shows the packet, compares it with fingerprints; REASON_FINGERPRINT, or 0. */
WEAK __u32 look(struct xdp_md *ctx, __u32 which, __u32 what) { return ctx ? 0 : which + what; }

/* copy.bpf.c: copies the frame to user space, however long. This one copies at most 1,568 bytes: Go sets snaplen to no more. */
WEAK int capture_frame(struct xdp_md *ctx)
{
	struct env e = {.ctx = ctx};
	struct pkt *p;
	__u32 hash, n;
	void *ring;

	if (!at_hand(&e))
		return 0;
	p = e.p;
	hash = shard(&e);
	ring = ring_for(hash);
	n = p->len;
	if (!ring)
		goto lost;
	if (n > snaplen)
		n = snaplen;
	if (HOLDS(128))
		WORDS(128);
	else if (HOLDS(512))
		WORDS(512);
	else
		WORDS(1600);
	count(&e, PATH_CAPTURE);
	return 0;
lost:
	count(&e, PATH_CAPTURE_LOST);
	return 0;
}

/* frags.bpf.c: the length of a frame over all its buffers. */
WEAK __u32 frame_length(struct xdp_md *ctx) { return ctx->data_end - ctx->data; }
