// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* SYN cookies of the kernel's (Linux 6.0), in host mode: see challenge.h and features.h. */
#include "challenge.h"

#define COOKIE_WINDOW 29200 /* what the host will have in any case */

/*
 * Has the kernel make a SYN cookie of the packet. The whole header is copied because the kernel reads its options, and a
 * packet's bytes cannot be given to it by a length that varies.
 */
INLINE int kernel_cookie(struct xdp_md *ctx, const struct pkt *p, struct synack *a)
{
	__u8 header[60] = {};
	struct tcphdr *tcp = at(ctx, p->l4);
	void *ip = at(ctx, p->l3);
	__u32 hlen;
	__s64 made;

	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	hlen = (tcp->off >> 4) * 4;
	a->ack = ntohl(tcp->seq) + 1;
	HIDE(hlen);
	if (hlen < sizeof(*tcp) || hlen > sizeof(header) || hlen != p->left || xdp_load_bytes(ctx, p->l4, header, hlen))
		return 0; /* what has data with its SYN is no ordinary client */
	if (p->version == 4) {
		if (!FITS(ctx, ip, sizeof(struct iphdr)))
			return 0;
		made = gen_syncookie4(ip, (struct tcphdr *)header, hlen);
	} else {
		if (!FITS(ctx, ip, sizeof(struct ip6hdr)))
			return 0;
		made = gen_syncookie6(ip, (struct tcphdr *)header, hlen);
	}
	if (made < 0)
		return 0;
	a->seq = made;
	a->mss = made >> 32;
	a->window = COOKIE_WINDOW;
	return 1;
}

/* Whether the packet acknowledges a SYN cookie. */
SEC("xdp")
__u32 acknowledges(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct tcphdr *tcp;
	struct pkt *p;
	void *ip;

	if (!st)
		return 0;
	p = (struct pkt *)st->scratch;
	if (p->l3 > MAX_OFF || p->l4 > MAX_OFF)
		return 0;
	ip = at(ctx, p->l3);
	tcp = at(ctx, p->l4);
	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	if (p->version == 4)
		return FITS(ctx, ip, sizeof(struct iphdr)) && !check_syncookie4(ip, tcp);
	return FITS(ctx, ip, sizeof(struct ip6hdr)) && !check_syncookie6(ip, tcp);
}

/* Sends the SYN back, answered with the kernel's cookie, or else as a challenge. */
SEC("xdp")
int answer_cookie(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct pkt *p = to_answer(st);
	struct synack a = {};

	if (!p)
		return XDP_DROP;
	return kernel_cookie(ctx, p, &a) ? send_answer(ctx, st, p, &a) : challenge(ctx, st, p);
}

char _license[] SEC("license") = "Dual BSD/GPL";
