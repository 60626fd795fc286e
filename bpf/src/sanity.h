/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Packets that no honest stack sends. */
#include "packet.h"

INLINE int bad_flags(__u8 f)
{
	__u8 all = f & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK | TCP_URG);

	if (!all)
		return 1;
	if ((f & TCP_SYN) && (f & (TCP_FIN | TCP_RST)))
		return 1;
	return all == (TCP_FIN | TCP_PSH | TCP_URG);
}

/* The same for all values of the six flags at once, as a constant. */
INLINE __u64 all_bad_flags(void)
{
	__u64 set = 0;

	UNROLL
	for (int f = 0; f < 64; f++)
		set |= (__u64)bad_flags(f) << f;
	return set;
}

/* Loopback, multicast and broadcast never send. 0.0.0.0 and :: do: DHCP (RFC 2131), duplicate detection (RFC 4862). */
INLINE int bad_source(struct pkt *p)
{
	__u32 a;

	if (p->version == 4) {
		a = ntohl((__u32)(p->src[1] >> 32));
		return a >> 24 == 127 || a >> 28 == 14 || a == 0xffffffff;
	}
	return (p->src[0] & 0xff) == 0xff || (!p->src[0] && p->src[1] == 1ULL << 56);
}

INLINE int has_ports(struct pkt *p)
{
	return (p->proto == PROTO_TCP || p->proto == PROTO_UDP) && p->frag != FRAG_LATER;
}

/* The reason the packet is malformed, or REASON_NONE. */
INLINE __u32 sanity(struct pkt *p)
{
	if (p->bad)
		return p->bad;
	if (bad_source(p))
		return REASON_BAD_SOURCE;
	if (p->src[1] == p->dst[1] && p->src[0] == p->dst[0] && p->sport == p->dport && p->src[1])
		return REASON_LAND;
	if (!has_ports(p))
		return REASON_NONE;
	if (!p->sport || !p->dport)
		return REASON_PORT_ZERO;
	if (p->proto == PROTO_TCP && all_bad_flags() >> (p->flags & 63) & 1)
		return REASON_TCP_FLAGS;
	return REASON_NONE;
}
