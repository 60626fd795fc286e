// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* Asks the sources of SYNs whether they are real: see challenge.h and features.h. */
#include "challenge.h"

/* Whether the packet is a reset that proves its source: it knows the cookie of now or a moment ago. */
SEC("xdp")
__u32 proves(struct xdp_md *ctx)
{
	__u32 zero = 0, seq, epoch;
	struct stats *st = map_lookup(&stats, &zero);
	struct tcphdr *tcp;
	struct pkt *p;

	if (!st)
		return 0;
	p = (struct pkt *)st->scratch;
	if (p->l4 > MAX_OFF)
		return 0;
	tcp = at(ctx, p->l4);
	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	seq = ntohl(tcp->seq);
	epoch = p->now >> CHALLENGE_EPOCH;
	return seq == (__u32)cookie(p, epoch) || seq == (__u32)cookie(p, epoch - 1);
}

/* Sends the SYN back, answered. */
SEC("xdp")
int answer_challenge(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct pkt *p = to_answer(st);

	return p ? challenge(ctx, st, p) : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
