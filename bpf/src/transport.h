/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Ports, flags and class of a packet, from its transport header. */
#include "parse.h"

/* What transport() returns, packed into a register. */
#define T_SPORT(t) ((__u16)((t) >> 48))
#define T_DPORT(t) ((__u16)((t) >> 32))
#define T_FLAGS(t) ((__u8)((t) >> 24))
#define T_CLASS(t) ((__u8)((t) >> 16))
#define T_VITAL(t) ((__u8)((t) >> 8))
#define T_BAD(t) ((__u8)(t))
#define T(ports, flags, class, vital, bad) \
	((ports) << 32 | (__u64)(flags) << 24 | (__u64)(class) << 16 | (vital) << 8 | (bad))

/* Ports as sport << 16 | dport: they lie in the same place in TCP, UDP and SCTP. */
INLINE __u64 ports(const void *header) { return ntohl(*(const __be32 *)header); }

INLINE __u64 tcp(const struct tcphdr *tcp, __u32 left)
{
	__u32 hlen = (tcp->off >> 4) * 4, class = CLASS_TCP;

	if (tcp->flags & TCP_SYN)
		class = tcp->flags & TCP_ACK ? CLASS_SYNACK : CLASS_SYN;
	if (hlen < sizeof(*tcp) || hlen > left)
		return T(0ULL, 0, class, 0, REASON_BAD_L4);
	return T(ports(tcp), tcp->flags, class, 0, REASON_NONE);
}

INLINE __u64 udp(const struct udphdr *udp, __u32 left, __u32 frag)
{
	__u32 len = ntohs(udp->len);

	/* a first fragment has only its part of what the length says */
	if (len < sizeof(*udp) || (len > left && !frag))
		return T(0ULL, 0, CLASS_UDP, 0, REASON_BAD_L4);
	return T(ports(udp), 0, CLASS_UDP, 0, REASON_NONE);
}

/* Path MTU (RFC 1191, RFC 8201) and neighbour discovery (RFC 4861) must get through an ICMP flood. */
INLINE int vital_icmp(const __u8 *icmp, __u32 version)
{
	if (version == 4)
		return icmp[0] == 3 && icmp[1] == 4;
	return icmp[0] == 2 || (icmp[0] >= 133 && icmp[0] <= 137);
}

/* Reads the header at off, of left bytes with all that follows it. */
INLINE __u64 transport(struct xdp_md *ctx, const struct pkt *p, __u32 off, __u32 left)
{
	__u32 bad = p->frag ? REASON_FRAGMENT : REASON_BAD_L4;
	void *header;

	if (p->frag == FRAG_LATER)
		return T(0ULL, 0, CLASS_FRAGMENT, 0, REASON_NONE);
	if (off > MAX_OFF)
		return T(0ULL, 0, CLASS_OTHER, 0, REASON_EXTENSIONS);
	header = at(ctx, off);
	switch (p->proto) {
	case PROTO_TCP:
		if (left < sizeof(struct tcphdr) || !FITS(ctx, header, sizeof(struct tcphdr)))
			return T(0ULL, 0, CLASS_TCP, 0, bad);
		return tcp(header, left);
	case PROTO_UDP:
		if (left < sizeof(struct udphdr) || !FITS(ctx, header, sizeof(struct udphdr)))
			return T(0ULL, 0, CLASS_UDP, 0, bad);
		return udp(header, left, p->frag);
	case PROTO_SCTP:
		if (left < 12 || !FITS(ctx, header, 12))
			return T(0ULL, 0, CLASS_OTHER, 0, bad);
		return T(ports(header), 0, CLASS_OTHER, 0, REASON_NONE);
	}
	if (p->proto != (p->version == 4 ? PROTO_ICMP : PROTO_ICMP6))
		return T(0ULL, 0, CLASS_OTHER, 0, REASON_NONE);
	if (left < 4 || !FITS(ctx, header, 4))
		return T(0ULL, 0, CLASS_ICMP, 0, bad);
	return T(0ULL, 0, CLASS_ICMP, vital_icmp(header, p->version), REASON_NONE);
}

/* Parses the packet of ethertype type at off. Returns 0 if it is not IP. */
INLINE int parse_packet(const struct env *e, __u32 off, __u16 type)
{
	struct pkt *p = e->p;
	__u32 left = 0, l4;
	__u64 t;

	if (type == ETH_IP)
		l4 = parse_ip4(e, off, &left);
	else if (type == ETH_IP6)
		l4 = parse_ip6(e, off, &left);
	else
		return 0;
	if (!l4)
		l4 = MAX_OFF + 1;
	p->l3 = off;
	p->l4 = l4;
	p->left = left;
	t = transport(e->ctx, p, l4, left);
	p->sport = T_SPORT(t);
	p->dport = T_DPORT(t);
	p->flags = T_FLAGS(t);
	p->class = T_CLASS(t);
	p->vital = T_VITAL(t);
	if (!p->bad)
		p->bad = T_BAD(t);
	return 1;
}
