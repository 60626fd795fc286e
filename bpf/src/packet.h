/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* What the stages know of a packet, and the counters they keep. */
#include "maps.h"

enum fragment { FRAG_NONE, FRAG_FIRST, FRAG_LATER };

enum answer { ANSWER_NONE, ANSWER_CHALLENGE, ANSWER_COOKIE };

/*
 * Lives in a map of one per CPU, not on the stack: on the stack the verifier follows every path with every constant it
 * has seen there, and paths multiply to millions; what it loads from a map is to it an unknown number.
 */
struct pkt {
	__u64 src[2]; /* network order */
	__u64 dst[2];
	__u64 hash;   /* of the tuple, the same for both directions; only if somebody asks */
	__u32 len;    /* of the frame */
	__u32 now;    /* tick */
	__u32 outer;  /* gwlb: offset of the outermost IP header */
	__u32 left;   /* bytes from l4 to the end of the IP packet */
	__u16 l3;     /* offset of the IP header */
	__u16 l4;     /* of what follows it; beyond MAX_OFF if that cannot be */
	__u8 version; /* 4 or 6 */
	__u8 proto;
	__u8 enforce; /* verdicts, sanity and floods may drop */
	__u8 alive;   /* user space is */
	struct features seen; /* only if somebody looks */

	struct {      /* zero at the start of every packet */
		__u16 sport; /* 0 unless TCP, UDP or SCTP and not a later fragment */
		__u16 dport;
		__u8 class;
		__u8 flags;  /* TCP */
		__u8 vital;  /* ICMP that floods must not lose: path MTU, neighbour discovery */
		__u8 bad;    /* enum reason found while parsing; addresses are valid unless REASON_BAD_IP */
		__u64 tenant;
		__u32 rule; /* of the verdict that wants the packet dropped */
		__u32 slot;
		__u8 frag;
		__u8 presence;
		__u8 want;    /* enum reason to drop it for */
		__u8 swapped; /* the source is end b of the tuple */
		__u8 exempt;  /* judged already: allowed, guarded, or counted as would-be drop */
		__u8 decided; /* nobody need look at this packet any more */
		__u8 answer;  /* if it is dropped, it is to be answered: enum answer */
		__u8 spare;
	};
};

_Static_assert(sizeof(struct pkt) <= sizeof(((struct stats *)0)->scratch), "struct pkt has outgrown its place");

/* What look() is asked. */
#define LOOK_GOOD 1   /* the source is known good */
#define LOOK_PRINTS 2 /* compare with fingerprints */
#define LOOK_SIGHT 4  /* show the packet */

/* What every stage is given. */
struct env {
	struct xdp_md *ctx;
	struct pkt *p;
	struct stats *stats;
};

INLINE void count(const struct env *e, __u32 path) { e->stats->paths[path]++; }

INLINE int expired(const struct pkt *p, __u32 tick) { return (__s32)(p->now - tick) >= 0; }

/* A token bucket's poor relation, exact enough without atomics that fetch: a window and what was spent in it. */
INLINE int over_budget(__u32 *spent, __u32 budget, __u32 now)
{
	__u32 window = (now >> RATE_WINDOW) << SPENT_BITS, s = *(volatile __u32 *)spent;

	if ((s & ~((1u << SPENT_BITS) - 1)) != window) {
		*(volatile __u32 *)spent = window;
		s = window;
	}
	if ((s & ((1u << SPENT_BITS) - 1)) >= budget)
		return 1;
	ADD(spent, 1);
	return 0;
}
