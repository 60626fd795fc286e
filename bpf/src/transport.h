/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Ports, flags and class of a packet, from its transport header. */
#include "parse.h"

/* The ports lie in the same place in TCP, UDP and SCTP. */
INLINE void set_ports(struct pkt *p, const void *header)
{
	const __be16 *port = header;

	p->sport = ntohs(port[0]);
	p->dport = ntohs(port[1]);
}

INLINE void set_bad(struct pkt *p, __u32 reason)
{
	if (!p->bad)
		p->bad = reason;
}

INLINE void parse_tcp(struct pkt *p, const struct tcphdr *tcp, __u32 left)
{
	__u32 hlen = (tcp->off >> 4) * 4;
	__u8 flags = tcp->flags;

	p->class = CLASS_TCP;
	if (flags & TCP_SYN)
		p->class = flags & TCP_ACK ? CLASS_SYNACK : CLASS_SYN;
	if (hlen < sizeof(*tcp) || hlen > left) {
		set_bad(p, REASON_BAD_L4);
		return;
	}
	p->flags = flags;
	set_ports(p, tcp);
}

INLINE void parse_udp(struct pkt *p, const struct udphdr *udp, __u32 left)
{
	__u32 len = ntohs(udp->len);

	/* a first fragment has only its part of what the length says */
	if (len < sizeof(*udp) || (len > left && !p->frag))
		set_bad(p, REASON_BAD_L4);
	else
		set_ports(p, udp);
}

/* Path MTU (RFC 1191, RFC 8201) and neighbour discovery (RFC 4861) must get through an ICMP flood. */
INLINE int vital_icmp(const __u8 *icmp, __u32 version)
{
	if (version == 4)
		return icmp[0] == 3 && icmp[1] == 4;
	return icmp[0] == 2 || (icmp[0] >= 133 && icmp[0] <= 137);
}

/* Reads the header at off, of left bytes with all that follows it. */
INLINE void parse_transport(struct xdp_md *ctx, struct pkt *p, __u32 off, __u32 left)
{
	__u32 bad = p->frag ? REASON_FRAGMENT : REASON_BAD_L4;
	void *header;

	if (p->frag == FRAG_LATER) {
		p->class = CLASS_FRAGMENT;
		return;
	}
	p->class = CLASS_OTHER;
	if (off > MAX_OFF) {
		set_bad(p, REASON_EXTENSIONS);
		return;
	}
	header = at(ctx, off);
	switch (p->proto) {
	case PROTO_TCP:
		p->class = CLASS_TCP;
		if (left < sizeof(struct tcphdr) || !FITS(ctx, header, sizeof(struct tcphdr)))
			set_bad(p, bad);
		else
			parse_tcp(p, header, left);
		return;
	case PROTO_UDP:
		p->class = CLASS_UDP;
		if (left < sizeof(struct udphdr) || !FITS(ctx, header, sizeof(struct udphdr)))
			set_bad(p, bad);
		else
			parse_udp(p, header, left);
		return;
	case PROTO_SCTP:
		if (left < 12 || !FITS(ctx, header, 12))
			set_bad(p, bad);
		else
			set_ports(p, header);
		return;
	}
	if (p->proto != (p->version == 4 ? PROTO_ICMP : PROTO_ICMP6))
		return;
	p->class = CLASS_ICMP;
	if (left < 4 || !FITS(ctx, header, 4))
		set_bad(p, bad);
	else
		p->vital = vital_icmp(header, p->version);
}

/* Parses the packet of ethertype type at off. Returns 0 if it is not IP. */
INLINE int parse_packet(const struct env *e, __u32 off, __u16 type)
{
	struct pkt *p = e->p;
	__u32 left = 0, l4;

	if (LIKELY(type == ETH_IP))
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
	parse_transport(e->ctx, p, l4, left);
	return 1;
}
