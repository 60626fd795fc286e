// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Runs several XDP programs on one interface: each of its functions is a place that a program of type EXT takes. Names and the
 * layout of what it is told are libxdp's protocol, version 2, so that programs of others can come and go.
 */
#include "helpers.h"

#define PARTS 10
#define EMPTY_PLACE 31 /* what a place returns that no program has taken: a bit that every part goes on after */

/* A section by itself: libxdp reads the one map there is. */
volatile const struct dispatcher_config {
	__u8 magic; /* 'X' + 'D' + 'P' */
	__u8 version;
	__u8 parts;
	__u8 frags;
	__u32 actions[PARTS]; /* a bit by action after which the next part is run */
	__u32 priorities[PARTS];
	__u32 flags[PARTS]; /* BPF_F_XDP_HAS_FRAGS */
} config;

#define PLACE(n)                                         \
	NOINLINE int prog##n(struct xdp_md *ctx)         \
	{                                                \
		volatile int result = EMPTY_PLACE;       \
                                                         \
		return ctx ? result : XDP_ABORTED;       \
	}

PLACE(0)
PLACE(1)
PLACE(2)
PLACE(3)
PLACE(4)
PLACE(5)
PLACE(6)
PLACE(7)
PLACE(8)
PLACE(9)

/* What is behind the number of parts the verifier removes. */
#define RUN(n)                                                       \
	do {                                                         \
		int result;                                          \
                                                                     \
		if (config.parts <= n)                               \
			return XDP_PASS;                             \
		result = prog##n(ctx);                               \
		if (!(config.actions[n] & 1u << (result & 31)))      \
			return result;                               \
	} while (0)

/* Of a single part the whole function is the place. */
SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	RUN(0);
	RUN(1);
	RUN(2);
	RUN(3);
	RUN(4);
	RUN(5);
	RUN(6);
	RUN(7);
	RUN(8);
	RUN(9);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
