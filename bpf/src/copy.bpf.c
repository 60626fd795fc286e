// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* Copies of frames of any length, with a helper (Linux 5.18): see capture.h and features.h. */
#include "capture.h"

SEC("xdp")
int capture_frame(struct xdp_md *ctx)
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
		LOAD(128);
	else if (HOLDS(512))
		LOAD(512);
	else if (HOLDS(1600))
		LOAD(1600);
	else if (HOLDS(4096))
		LOAD(4096);
	else
		LOAD(9216 + sizeof(struct capture));
	count(&e, PATH_CAPTURE);
	return 0;
lost:
	count(&e, PATH_CAPTURE_LOST);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
